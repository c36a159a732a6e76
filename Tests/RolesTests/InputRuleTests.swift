import Testing

@testable import Roles

@Suite struct InputRuleTests {
    let truncating = InputRule(maxCharacters: 4, overflow: .truncate)
    let rejecting = InputRule(maxCharacters: 4, overflow: .reject)

    @Test func leavesTextWithinTheLimit() throws {
        for rule in [truncating, rejecting] {
            #expect(try rule.apply(to: "一二三四") == .init(text: "一二三四", characters: 4, truncated: false))
            #expect(try rule.apply(to: "👨‍👩‍👧‍👦e\u{301}\r\n🇨🇳").characters == 4)
        }
    }

    @Test func cutsAtTheLastWholeGrapheme() throws {
        #expect(try truncating.apply(to: "一二三👨‍👩‍👧‍👦五") == .init(text: "一二三👨‍👩‍👧‍👦", characters: 4, truncated: true))
    }

    @Test func rejectsWithBothNumbers() {
        #expect(throws: PromptError.tooLong(characters: 5, limit: 4)) { try rejecting.apply(to: "一二三四五") }
        #expect(PromptError.tooLong(characters: 5, limit: 4).description.contains("5 characters, the limit is 4"))
    }

    @Test func capsTheScalarsOfGraphemes() throws {
        let tall = "e" + String(repeating: "\u{301}", count: 40)
        #expect(tall.count == 1)
        #expect(try truncating.apply(to: "ab\(tall)cd") == .init(text: "ab", characters: 2, truncated: true))
        #expect(throws: PromptError.tooManyScalars(scalars: 43, limit: 32)) { try rejecting.apply(to: "ab\(tall)") }
        // Nothing whole is left to judge.
        #expect(throws: PromptError.tooManyScalars(scalars: 41, limit: 32)) { try truncating.apply(to: tall) }
        let exact = "e" + String(repeating: "\u{301}", count: 31)
        #expect(try truncating.apply(to: exact).truncated == false)
    }

    @Test func cutsAHundredTwentyEightCharacters() throws {
        let rule = InputRule(maxCharacters: 128, overflow: .truncate)
        let long = String(repeating: "好", count: 129)
        #expect(try rule.apply(to: long) == .init(text: String(long.dropLast()), characters: 128, truncated: true))
        #expect(try rule.apply(to: String(long.dropLast())).truncated == false)
    }
}
