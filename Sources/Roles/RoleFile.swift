/// The format of a role file and the limits of its fields.
enum RoleFile {
    static let maxBytes = 64 * 1024
    static let inputCharacters = 1...32_768
    static let replyCharacters = 1...4_096
    static let labelTokens = 1...64
    /// Tokens of the longest label when the file does not say.
    static let defaultLabelTokens = 12
    static let maxAnnotations = 4
    private static let keys = ["name", "system", "input", "output", "annotate", "fixed_replies"]

    struct Parsed {
        var role: Role
        /// Where `annotate` stands, for the check against the other roles.
        var annotateLine: Int?
    }

    /// - Parameters:
    ///   - file: the path, for messages.
    ///   - name: the file's name without `.yaml`; the role has to bear it.
    static func parse(file: String, name: String, text: String) throws(RoleError) -> Parsed {
        let top = try YAMLMap(file: file, text: text, keys: keys)
        guard try top.string("name") == name else {
            throw top.error("name", "must be '\(name)', as the file is named")
        }
        guard isValidName(name) else {
            throw top.error("name", "must be 1 to 32 of a-z, 0-9, '_' and '-'")
        }
        guard name != Role.adHocName else {
            throw top.error("name", "must not be '\(name)', which stands for labels that a request brings along")
        }
        var system = try top.string("system")[...]
        while system.last?.isNewline == true { system.removeLast() }
        guard !system.allSatisfy(\.isWhitespace) else { throw top.error("system", "must not be empty") }
        let input = try parseInput(top.map("input", keys: ["max_characters", "overflow"]))
        let outputMap = try top.map("output", keys: ["labels", "max_tokens", "abstain_below", "max_characters"])
        let output = try parseOutput(outputMap)
        let annotate = try parseAnnotate(top, output: output)
        let role = Role(
            name: name,
            system: String(system),
            input: input,
            output: output,
            abstainBelow: try parseAbstention(outputMap),
            annotate: annotate,
            fixedReplies: try parseFixedReplies(top, output: output)
        )
        return Parsed(role: role, annotateLine: top.line(of: "annotate"))
    }

    static func isValidName(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                    UInt8(ascii: "_"), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    private static func parseInput(_ map: YAMLMap) throws(RoleError) -> InputRule {
        let maxCharacters = try map.int("max_characters", in: inputCharacters)
        guard let overflow = InputRule.Overflow(rawValue: try map.string("overflow")) else {
            let allowed = InputRule.Overflow.allCases.map(\.rawValue).joined(separator: " or ")
            throw map.error("overflow", "must be \(allowed)")
        }
        return InputRule(maxCharacters: maxCharacters, overflow: overflow)
    }

    private static func parseOutput(_ map: YAMLMap) throws(RoleError) -> Role.Output {
        guard map.has("labels") != map.has("max_characters") else {
            throw map.error("labels", "or 'output.max_characters': give one of the two")
        }
        guard map.has("labels") else {
            guard !map.has("max_tokens") else { throw map.error("max_tokens", "goes with 'output.labels' only") }
            return .reply(maxCharacters: try map.int("max_characters", in: replyCharacters))
        }
        let maxTokens = map.has("max_tokens") ? try map.int("max_tokens", in: labelTokens) : defaultLabelTokens
        return .labels(try parseLabels(map), maxTokens: maxTokens)
    }

    private static func parseAbstention(_ map: YAMLMap) throws(RoleError) -> Double? {
        guard map.has("abstain_below") else { return nil }
        guard map.has("labels") else { throw map.error("abstain_below", "goes with 'output.labels' only") }
        return try map.number("abstain_below", in: 0...1)
    }

    private static func parseLabels(_ map: YAMLMap) throws(RoleError) -> [String] {
        let labels = try map.strings("labels")
        guard LabelRule.count.contains(labels.count) else {
            let allowed = "\(LabelRule.count.lowerBound) to \(LabelRule.count.upperBound) texts"
            throw map.error("labels", "must be \(allowed); there are \(labels.count)")
        }
        var seen: Set<String> = []
        for (label, line) in labels {
            guard LabelRule.allows(label) else {
                let shown = label.prefix(LabelRule.maxCharacters)
                throw map.error("labels", "has '\(shown)'; a label is \(LabelRule.text)", line: line)
            }
            guard seen.insert(label).inserted else {
                throw map.error("labels", "has '\(label)' twice", line: line)
            }
        }
        return labels.map(\.text)
    }

    private static func parseAnnotate(_ top: YAMLMap, output: Role.Output) throws(RoleError) -> [String] {
        guard top.has("annotate") else { return [] }
        guard case .reply = output else {
            throw top.error("annotate", "goes with roles that reply; this one answers with a label")
        }
        let names = try top.strings("annotate")
        guard names.count <= maxAnnotations, Set(names.map(\.text)).count == names.count else {
            throw top.error("annotate", "must be at most \(maxAnnotations) different role names")
        }
        return names.map(\.text)
    }
}
