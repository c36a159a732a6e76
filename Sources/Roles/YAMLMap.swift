import Yams

/// A YAML mapping of a role file, read field by field; every error names the file, the line and what is allowed.
struct YAMLMap {
    let file: String
    /// Where this mapping stands in the file, for messages: "" at the top, else "input." and the like.
    private let path: String
    private let line: Int?
    private let fields: [String: Node]

    /// Parses a whole file. Anything but one document with a mapping at its top is an error.
    init(file: String, text: String, keys: [String]) throws(RoleError) {
        guard !Self.multiplies(text) else {
            let message =
                "anchors (&name) with more than \(Self.maxAliases) aliases (*name) are not allowed; write the values out"
            throw RoleError(source: file, line: nil, message: message)
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw Self.syntaxError(error, file: file)
        } catch {
            throw RoleError(source: file, line: nil, message: "not readable as YAML")
        }
        guard let root else { throw RoleError(source: file, line: nil, message: "empty; must have \(list(keys))") }
        try self.init(file: file, path: "", node: root, keys: keys)
    }

    private static let maxAliases = 16

    /// Whether aliases could make a few lines of YAML into a huge tree, which the parser would hash and compare for ever.
    /// Counts what looks like an alias or an anchor: a `*` or `&` that begins a word. Without an anchor no alias is valid.
    private static func multiplies(_ text: String) -> Bool {
        var (anchors, aliases) = (0, 0)
        var previous = UInt8(ascii: "\n")
        var before = previous
        for byte in text.utf8 {
            let isStart = " \t\r\n[{,:?-".utf8.contains(before)
            if isStart, byte > UInt8(ascii: " ") {
                if previous == UInt8(ascii: "&") { anchors += 1 }
                if previous == UInt8(ascii: "*") { aliases += 1 }
            }
            (before, previous) = (previous, byte)
        }
        return anchors > 0 && aliases > maxAliases
    }

    /// - Parameter keys: all the keys that may stand here.
    private init(file: String, path: String, node: Node, keys: [String]) throws(RoleError) {
        self.file = file
        self.path = path
        self.line = node.mark?.line
        let place = path.isEmpty ? "the file" : "'\(path.dropLast())'"
        guard let mapping = node.mapping else {
            throw RoleError(source: file, line: node.mark?.line, message: "\(place) must be a mapping of \(list(keys))")
        }
        var fields: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string, keys.contains(name) else {
                let name = key.scalar.map { "'\($0.string)'" } ?? "of this kind"
                let message = "unknown key \(name) in \(place); allowed: \(list(keys))"
                throw RoleError(source: file, line: key.mark?.line, message: message)
            }
            fields[name] = value
        }
        self.fields = fields
    }

    func has(_ key: String) -> Bool { fields[key] != nil }

    func line(of key: String) -> Int? { fields[key]?.mark?.line }

    func map(_ key: String, keys: [String]) throws(RoleError) -> YAMLMap {
        try YAMLMap(file: file, path: "\(path)\(key).", node: node(key), keys: keys)
    }

    /// A list of mappings.
    func maps(_ key: String, keys: [String]) throws(RoleError) -> [YAMLMap] {
        guard let sequence = try node(key).sequence else { throw error(key, "must be a list of mappings") }
        var maps: [YAMLMap] = []
        for (index, element) in sequence.enumerated() {
            maps.append(try YAMLMap(file: file, path: "\(path)\(key)[\(index)].", node: element, keys: keys))
        }
        return maps
    }

    func string(_ key: String) throws(RoleError) -> String {
        guard let value = Self.text(try node(key)) else {
            throw error(key, "must be text; write it in quotes")
        }
        return value
    }

    func int(_ key: String, in range: ClosedRange<Int>) throws(RoleError) -> Int {
        let node = try node(key)
        guard node.tag == Tag(.int), let value = Int(node.scalar?.string ?? ""), range.contains(value) else {
            throw error(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(RoleError) -> Double {
        guard let value = Self.number(try node(key)), range.contains(value) else {
            throw error(key, "must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func numbers(_ key: String, in range: ClosedRange<Double>) throws(RoleError) -> [Double] {
        guard let sequence = try node(key).sequence else { throw error(key, "must be a list of numbers") }
        var result: [Double] = []
        for element in sequence {
            guard let value = Self.number(element), range.contains(value) else {
                let rule = "numbers from \(range.lowerBound) to \(range.upperBound)"
                throw error(key, "must be a list of \(rule)", line: element.mark?.line)
            }
            result.append(value)
        }
        return result
    }

    /// A list of texts with the line of each.
    func strings(_ key: String) throws(RoleError) -> [(text: String, line: Int?)] {
        guard let sequence = try node(key).sequence else { throw error(key, "must be a list of texts") }
        var result: [(text: String, line: Int?)] = []
        for element in sequence {
            guard let text = Self.text(element) else {
                throw error(key, "must be a list of texts; write each in quotes", line: element.mark?.line)
            }
            result.append((text, element.mark?.line))
        }
        return result
    }

    /// The error of a field, at its own line unless another is given.
    func error(_ key: String, _ message: String, line: Int? = nil) -> RoleError {
        RoleError(
            source: file,
            line: line ?? fields[key]?.mark?.line ?? self.line,
            message: "'\(path)\(key)' \(message)"
        )
    }

    private func node(_ key: String) throws(RoleError) -> Node {
        guard let node = fields[key] else { throw error(key, "is missing") }
        return node
    }

    /// The text of a scalar that YAML does not take for a number, a truth value or null.
    private static func text(_ node: Node) -> String? {
        node.tag == Tag(.str) ? node.scalar?.string : nil
    }

    private static func number(_ node: Node) -> Double? {
        guard node.tag == Tag(.int) || node.tag == Tag(.float) else { return nil }
        return Double(node.scalar?.string ?? "")
    }

    private static func syntaxError(_ error: YamlError, file: String) -> RoleError {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            RoleError(source: file, line: mark.line, message: "not valid YAML: \(problem)")
        case .duplicatedKeysInMapping(let keys, let context):
            RoleError(
                source: file,
                line: context.mark.line,
                message: "key given twice: \(keys.joined(separator: ", "))"
            )
        case .reader(let problem, _, _, _):
            RoleError(source: file, line: nil, message: "not valid YAML: \(problem)")
        default:
            RoleError(source: file, line: nil, message: "not readable as YAML")
        }
    }
}

private func list(_ keys: [String]) -> String { keys.joined(separator: ", ") }
