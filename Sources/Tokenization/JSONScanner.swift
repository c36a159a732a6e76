/// Reads JSON (RFC 8259) value by value, so that a file of megabytes needs no tree. Strings are bytes: a Swift `String` as
/// key would take canonically equivalent tokens for one.
package struct JSONScanner {
    private static let maximumDepth = 64

    /// The file that errors name.
    private let path: String
    private let bytes: [UInt8]
    /// Where the scanner stands; a scanner made at a value's position reads that value.
    private(set) var position: Int
    private var depth = 0
    private var isAtFirst = false

    package init(_ bytes: [UInt8], path: String, at position: Int = 0) {
        self.bytes = bytes
        self.path = path
        self.position = position
    }

    mutating func beginObject() throws(TokenizerError) { try begin("{") }
    mutating func beginArray() throws(TokenizerError) { try begin("[") }

    /// The next key of the object, whose value must be read next; nil at its end.
    mutating func nextKey() throws(TokenizerError) -> ArraySlice<UInt8>? {
        guard try hasNext(before: "}") else { return nil }
        guard peek() == UInt8(ascii: "\"") else { throw fail("a key in quotes") }
        let key = try string()
        try expect(":")
        return key
    }

    /// Whether the array has another element, which must be read next.
    mutating func nextElement() throws(TokenizerError) -> Bool { try hasNext(before: "]") }

    /// Fails unless only white space is left.
    package mutating func finish() throws(TokenizerError) {
        _ = peek()
        if position < bytes.count { throw fail("the end") }
    }

    /// The first byte of what comes next; 0 at the end.
    mutating func peek() -> UInt8 {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            case let byte: return byte
            }
        }
        return 0
    }

    /// A string as UTF-8; escaped surrogates without a partner become U+FFFD.
    package mutating func string() throws(TokenizerError) -> ArraySlice<UInt8> {
        try expect("\"")
        let start = position
        while position < bytes.count, bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\\") {
            if bytes[position] == UInt8(ascii: "\"") {
                position += 1
                return bytes[start..<position - 1]
            }
            position += 1
        }
        var unescaped = Array(bytes[start..<position])
        while position < bytes.count, bytes[position] >= 0x20 {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return unescaped[...]
            case UInt8(ascii: "\\"): try escape(into: &unescaped)
            default: unescaped.append(byte)
            }
        }
        throw fail("the end of a string")
    }

    private mutating func escape(into output: inout [UInt8]) throws(TokenizerError) {
        let kind = position < bytes.count ? bytes[position] : 0
        position += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): output.append(kind)
        case UInt8(ascii: "b"): output.append(0x08)
        case UInt8(ascii: "f"): output.append(0x0C)
        case UInt8(ascii: "n"): output.append(0x0A)
        case UInt8(ascii: "r"): output.append(0x0D)
        case UInt8(ascii: "t"): output.append(0x09)
        case UInt8(ascii: "u"):
            var scalar = try codeUnit()
            if (0xD800..<0xDC00).contains(scalar) {
                let afterFirst = position
                if bytes[position...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
                    position += 2
                    let second = try codeUnit()
                    if (0xDC00..<0xE000).contains(second) {
                        scalar = 0x10000 + (scalar - 0xD800) << 10 + (second - 0xDC00)
                    } else {
                        position = afterFirst
                    }
                }
            }
            if (0xD800..<0xE000).contains(scalar) { scalar = UTF8Decoding.replacement }
            UTF8Decoding.append(scalar, to: &output)
        default:
            position -= 1
            throw fail("an escape")
        }
    }

    private mutating func codeUnit() throws(TokenizerError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = position < bytes.count ? bytes[position] : 0
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = value << 4 | UInt32(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): value = value << 4 | UInt32(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): value = value << 4 | UInt32(byte - UInt8(ascii: "A") + 10)
            default: throw fail("four hexadecimal digits")
            }
            position += 1
        }
        return value
    }

    /// An integer that fits Int.
    mutating func integer() throws(TokenizerError) -> Int {
        _ = peek()
        let text = word()
        guard let value = Int(text) else { throw fail("an integer") }
        return value
    }

    /// The letters, digits and signs that come next: a number, true, false or null.
    mutating func word() -> String {
        let start = position
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "E"),
                UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."):
                position += 1
            default: return String(decoding: bytes[start..<position], as: UTF8.self)
            }
        }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    func fail(_ expected: String) -> TokenizerError {
        TokenizerError(path: path, reason: "not JSON at byte \(position): expected \(expected)")
    }

    private mutating func begin(_ bracket: Unicode.Scalar) throws(TokenizerError) {
        try expect(bracket)
        depth += 1
        isAtFirst = true
        if depth > Self.maximumDepth { throw fail("at most \(Self.maximumDepth) levels") }
    }

    private mutating func hasNext(before close: Unicode.Scalar) throws(TokenizerError) -> Bool {
        if peek() == UInt8(ascii: close) {
            position += 1
            depth -= 1
            isAtFirst = false
            return false
        }
        if !isAtFirst { try expect(",") }
        isAtFirst = false
        return true
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(TokenizerError) {
        guard peek() == UInt8(ascii: character) else { throw fail("\(character)") }
        position += 1
    }
}
