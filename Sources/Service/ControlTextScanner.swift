/// Finds the names of control tokens, such as `<|im_start|>`, in a request's JSON: in any string, cut over several strings,
/// in any case, and written as JSON or HTML escapes or in full-width characters.
///
/// To the model all of it is plain text, found or not (`PromptBuilder`); the count tells an operator that somebody tries.
/// Takes time linear in the body and no memory beside the longest name.
struct ControlTextScanner {
    private let names: [[UInt8]]
    /// What was read of a name so far.
    private var candidate: [UInt8] = []
    private(set) var count = 0

    /// - Parameter names: ASCII, lower case.
    init(names: [[UInt8]]) { self.names = names }

    /// Whether the body is well-formed is of no account: what stands between quotation marks is looked at.
    mutating func scan(_ body: [UInt8]) {
        body.withUnsafeBufferPointer { scan($0) }
    }

    private mutating func scan(_ body: UnsafeBufferPointer<UInt8>) {
        var position = 0
        var key: Slice<UnsafeBufferPointer<UInt8>>?
        while position < body.count {
            guard body[position] == UInt8(ascii: "\"") else {
                position += 1
                continue
            }
            let (before, found) = (candidate, count)
            let start = position + 1
            position = readString(body, from: start)
            let isKey = body[position...].first { $0 > 0x20 } == UInt8(ascii: ":")
            if isKey { key = body[start..<max(start, position - 1)] }
            // A name may be cut over messages and parts: keys, "type": "text" and "role": "user" stand between them.
            let isBetween = isKey || key.map { Self.isStructure($0) } ?? false
            if isBetween, count == found { candidate = before }
        }
    }

    private static func isStructure(_ key: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        key.elementsEqual("type".utf8) || key.elementsEqual("role".utf8)
    }

    /// Reads up to the closing mark and returns the index behind it.
    private mutating func readString(_ body: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        while position < body.count {
            let byte = body[position]
            switch byte {
            case UInt8(ascii: "\""): return position + 1
            case UInt8(ascii: "\\"): position = readEscape(body, at: position)
            case UInt8(ascii: "&"): position = readEntity(body, at: position)
            case 0..<0x80:
                take(UInt32(byte))
                position += 1
            default:
                let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
                take(length == 3 ? Self.threeBytes(body, at: position) : 0xFFFD)
                position += length
            }
        }
        return body.count
    }

    private static func threeBytes(_ body: UnsafeBufferPointer<UInt8>, at position: Int) -> UInt32 {
        guard position + 2 < body.count else { return 0xFFFD }
        let bytes = body[position...].prefix(3).map { UInt32($0) }
        return (bytes[0] & 0x0F) << 12 | (bytes[1] & 0x3F) << 6 | bytes[2] & 0x3F
    }

    /// A backslash and what it stands for; one that was escaped itself counts like a single one.
    private mutating func readEscape(_ body: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        var next = position + 1
        let isDouble = body[next...].prefix(2).elementsEqual(#"\u"#.utf8)
        if isDouble { next += 1 }
        guard next < body.count, body[next] == UInt8(ascii: "u"),
            let value = Self.number(body[(next + 1)...].prefix(4), radix: 16, digits: 4)
        else {
            // Of the others only these stand for a character of their own.
            let isItself = next < body.count && [UInt8(ascii: "/"), UInt8(ascii: "\\")].contains(body[next])
            take(isItself ? UInt32(body[next]) : 0)
            return position + 2
        }
        take(value)
        return next + 5
    }

    /// `&lt;`, `&#60;`, `&#x3c;` and the like.
    private mutating func readEntity(_ body: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        let rest = body[(position + 1)...].prefix(12)
        guard let end = rest.firstIndex(of: UInt8(ascii: ";")) else {
            take(UInt32(UInt8(ascii: "&")))
            return position + 1
        }
        let name = rest[..<end]
        let value: UInt32? =
            switch String(decoding: name, as: UTF8.self).lowercased() {
            case "lt": 0x3C
            case "gt": 0x3E
            case "vert", "verbar", "verticalline": 0x7C
            case "lowbar", "underbar": 0x5F
            case let text where text.hasPrefix("#x"): Self.number(name.dropFirst(2), radix: 16, digits: 1)
            case let text where text.hasPrefix("#"): Self.number(name.dropFirst(), radix: 10, digits: 1)
            default: nil
            }
        guard let value else {
            take(UInt32(UInt8(ascii: "&")))
            return position + 1
        }
        take(value)
        return end + 1
    }

    private static func number(_ bytes: Slice<UnsafeBufferPointer<UInt8>>, radix: Int, digits: Int) -> UInt32? {
        bytes.count >= digits ? UInt32(String(decoding: bytes, as: UTF8.self), radix: radix) : nil
    }

    private mutating func take(_ scalar: UInt32) {
        switch scalar {
        case 0x200B...0x200D, 0x2060, 0xFEFF: return  // no width
        case 0xFF01...0xFF5E: take(ascii: UInt8(scalar - 0xFEE0))
        case 0..<0x80: take(ascii: UInt8(scalar))
        default: candidate.removeAll(keepingCapacity: true)
        }
    }

    private mutating func take(ascii byte: UInt8) {
        let byte = (0x41...0x5A).contains(byte) ? byte + 0x20 : byte
        guard !candidate.isEmpty || names.contains(where: { $0.first == byte }) else { return }
        candidate.append(byte)
        if names.contains(candidate) {
            count += 1
            candidate.removeAll(keepingCapacity: true)
        } else if !names.contains(where: { $0.starts(with: candidate) }) {
            candidate.removeAll(keepingCapacity: true)
            if names.contains(where: { $0.first == byte }) { candidate.append(byte) }
        }
    }
}
