import Testing

@testable import Roles

@Suite struct FixedReplyFileTests {
    static let good = """
        name: chat
        system: x
        input: { max_characters: 100, overflow: reject }
        output: { max_characters: 10 }
        fixed_replies:
          - name: first
            reply: 我在。你说。
            any_of: [想死, 活*没意思]
            except:
              - 想死你
              - 笑死
          - name: second
            reply: 好的！
            any_of: [你好]
        """

    func parse(_ text: String) throws -> Role {
        try RoleFile.parse(file: "chat.yaml", name: "chat", text: text).role
    }

    @Test func readsRulesInOrder() throws {
        let role = try parse(Self.good)
        #expect(role.fixedReplies.map(\.name) == ["first", "second"])
        #expect(role.fixedReplies[0].reply == "我在。你说。")
    }

    @Test(arguments: [
        ("我想死", "first"), ("想死你好吗", "second"), ("你好，我想死", "first"), ("笑死，活着真没意思", "first"), ("想死你", nil),
        ("笑死想死你", nil), ("想死。你", "first"), ("想笑死死", nil), ("今天天气", nil), ("", nil),
    ])
    func theFirstRuleThatMatchesAnswers(text: String, rule: String?) throws {
        #expect(try parse(Self.good).fixedReply(to: text)?.name == rule)
    }

    /// Each case changes one part of the good file and says what the error has to name.
    @Test(arguments: [
        ("- name: first", "- name: First", "chat.yaml:6: 'fixed_replies[0].name' must be 1 to 32 of a-z"),
        ("- name: second", "- name: first", "chat.yaml:12: 'fixed_replies[1].name' is 'first' a second time"),
        ("- name: second\n    reply", "- reply", "chat.yaml:12: 'fixed_replies[1].name' is missing"),
        ("    reply: 好的！\n", "", "chat.yaml:12: 'fixed_replies[1].reply' is missing"),
        (
            "我在。你说。", "我在。你说", "chat.yaml:7: 'fixed_replies[0].reply' must be 1 to 10 characters of whole sentences"
        ),
        ("我在。你说。", "我在", "'fixed_replies[0].reply' must be 1 to 10 characters"),
        ("我在。你说。", "\" 我在。\"", "'fixed_replies[0].reply' must be 1 to 10 characters"),
        ("我在。你说。", "一二三四五六七八九十。", "without white space at the ends; it has 11"),
        ("我在。你说。", "\"\"", "it has 0"),
        ("我在。你说。", "7", "'fixed_replies[0].reply' must be text"),
        ("    any_of: [你好]", "", "chat.yaml:12: 'fixed_replies[1].any_of' is missing"),
        ("[你好]", "[]", "'fixed_replies[1].any_of' must be 1 to 256 phrases; there are 0"),
        ("[你好]", "你好", "'fixed_replies[1].any_of' must be a list of texts"),
        ("[你好]", "[120]", "must be a list of texts; write each in quotes"),
        ("[你好]", "[你*]", "'fixed_replies[1].any_of' has '你*'; a phrase is 1 to 32 characters, with a letter"),
        ("[你好]", "[\"*\"]", "has '*'; a phrase is"),
        ("[你好]", "[你**好]", "has '你**好'; a phrase is"),
        ("[你好]", "[你*，*好]", "a phrase is"),
        ("[你好]", "[？！]", "a phrase is"),
        ("[你好]", "[\"\"]", "a phrase is"),
        ("[你好]", "[好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好好]", "a phrase is 1 to 32 characters"),
        ("[你好]", "[你好, 你 好]", "'fixed_replies[1].any_of' has '你 好' twice"),
        ("- 笑死", "- 笑死*", "chat.yaml:11: 'fixed_replies[0].except' has '笑死*'"),
        ("- 笑死", "- 笑死\n        colour: red", "not valid YAML"),
        ("any_of: [你好]", "any_of: [你好]\n    colour: red", "unknown key 'colour' in 'fixed_replies[1]'; allowed: name,"),
        ("output: { max_characters: 10 }", "output: { labels: [a, b] }", "'fixed_replies' goes with roles that reply"),
    ])
    func namesWhatIsWrong(_ change: (from: String, to: String, error: String)) throws {
        #expect(Self.good.contains(change.from))
        let parts = Self.good.split(separator: change.from, maxSplits: 1, omittingEmptySubsequences: false)
        let error = #expect(throws: RoleError.self) { try parse(parts.joined(separator: change.to)) }
        let description = error?.description ?? ""
        #expect(description.contains(change.error), "\(description)")
        #expect(!description.contains("\n"))
    }

    @Test func refusesWhatIsNoListOfRules() {
        let head = Self.good.split(separator: "fixed_replies:")[0]
        for bad in ["", " x", " {name: a}", " [a]", " [[a]]", " 1"] {
            #expect(throws: RoleError.self) { try parse("\(head)fixed_replies:\(bad)\n") }
        }
    }

    @Test func limitsRulesAndPhrases() throws {
        let head = Self.good.split(separator: "fixed_replies:")[0]
        func file(rules: Int, phrases: Int) -> String {
            let list = (0..<phrases).map { "w\($0)" }.joined(separator: ", ")
            let rules = (0..<rules).map { "  - { name: r\($0), reply: 好。, any_of: [\(list)] }" }
            return "\(head)fixed_replies:\n\(rules.joined(separator: "\n"))\n"
        }
        #expect(try parse(file(rules: 16, phrases: 256)).fixedReplies.count == 16)
        #expect(throws: RoleError.self) { try parse(file(rules: 17, phrases: 1)) }
        #expect(throws: RoleError.self) { try parse(file(rules: 1, phrases: 257)) }
    }
}
