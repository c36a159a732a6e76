/// `fixed_replies` of a role file: a list of mappings.
///
///     fixed_replies:
///       - name: self_harm
///         reply: 我很担心你。
///         any_of: [不想活, 活着*没意思]
///         except: [不想活动]
extension RoleFile {
    static let maxFixedReplies = 16
    static let phraseCount = 1...256
    static let phraseCharacters = 1...32

    static func parseFixedReplies(_ top: YAMLMap, output: Role.Output) throws(RoleError) -> [FixedReply] {
        guard top.has("fixed_replies") else { return [] }
        guard case .reply(let maxCharacters) = output else {
            throw top.error("fixed_replies", "goes with roles that reply; this one answers with a label")
        }
        let maps = try top.maps("fixed_replies", keys: ["name", "reply", "any_of", "except"])
        guard maps.count <= maxFixedReplies else {
            throw top.error("fixed_replies", "must be at most \(maxFixedReplies) rules; there are \(maps.count)")
        }
        var rules: [FixedReply] = []
        for map in maps {
            let rule = try parseFixedReply(map, maxCharacters: maxCharacters)
            guard !rules.contains(where: { $0.name == rule.name }) else {
                throw map.error("name", "is '\(rule.name)' a second time; give each rule its own")
            }
            rules.append(rule)
        }
        return rules
    }

    private static func parseFixedReply(_ map: YAMLMap, maxCharacters: Int) throws(RoleError) -> FixedReply {
        let name = try map.string("name")
        guard isValidName(name) else { throw map.error("name", "must be 1 to 32 of a-z, 0-9, '_' and '-'") }
        let reply = try map.string("reply")
        guard isWholeReply(reply, maxCharacters: maxCharacters) else {
            let rule = "whole sentences, the last one ended, without white space at the ends"
            throw map.error("reply", "must be 1 to \(maxCharacters) characters of \(rule); it has \(reply.count)")
        }
        let except = map.has("except") ? try parsePhrases(map, "except") : []
        return FixedReply(
            name: name,
            reply: reply,
            anyOf: PhraseMatcher(try parsePhrases(map, "any_of")),
            except: PhraseMatcher(except)
        )
    }

    /// The contract of generated replies leaves the text as it is, and would with more behind it.
    private static func isWholeReply(_ reply: String, maxCharacters: Int) -> Bool {
        var shaper = ReplyShaper(maxCharacters: maxCharacters)
        _ = shaper.append(reply)
        _ = shaper.finish(modelEnded: false)
        return !reply.isEmpty && shaper.text.utf8.elementsEqual(reply.utf8)
    }

    private static func parsePhrases(_ map: YAMLMap, _ key: String) throws(RoleError) -> [String] {
        let phrases = try map.strings(key)
        guard phraseCount.contains(phrases.count) else {
            throw map.error(key, "must be 1 to \(phraseCount.upperBound) phrases; there are \(phrases.count)")
        }
        var seen: Set<String> = []
        for (phrase, line) in phrases {
            let shown = phrase.prefix(phraseCharacters.upperBound)
            guard phraseCharacters.contains(phrase.count), let normal = PhraseMatcher.normalized(phrase),
                normal.unicodeScalars.count <= 4 * phraseCharacters.upperBound
            else {
                let rule =
                    "1 to \(phraseCharacters.upperBound) characters, with a letter or digit on each side of a '*'"
                throw map.error(key, "has '\(shown)'; a phrase is \(rule)", line: line)
            }
            guard seen.insert(normal).inserted else {
                throw map.error(key, "has '\(shown)' twice (white space, punctuation and case aside)", line: line)
            }
        }
        return phrases.map(\.text)
    }
}
