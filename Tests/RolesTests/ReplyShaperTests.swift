import Testing

@testable import Roles

@Suite struct ReplyShaperTests {
    struct Outcome: Equatable {
        var sent: [String]
        var reason: ReplyEnd.Reason
        var text: String { sent.joined() }
    }

    /// Feeds pieces until the shaper is complete, as the service does.
    static func stream(_ pieces: [String], limit: Int, modelEnded: Bool = true) -> Outcome {
        var shaper = ReplyShaper(maxCharacters: limit)
        var sent: [String] = []
        for piece in pieces {
            sent.append(shaper.append(piece))
            #expect(Array(sent.joined().utf8) == Array(shaper.text.utf8))
            if shaper.isComplete { break }
        }
        let end = shaper.finish(modelEnded: modelEnded)
        #expect(shaper.finish(modelEnded: modelEnded).rest == "")
        return Outcome(sent: sent + [end.rest], reason: end.reason)
    }

    static func whole(_ text: String, limit: Int, modelEnded: Bool = true) -> Outcome {
        stream([text], limit: limit, modelEnded: modelEnded)
    }

    @Test(arguments: [
        ("你好。", 60, "你好。", true), ("你好", 60, "你好", true), ("", 60, "", true), (" \n", 60, "", true),
        ("\n 你好。\n\n再见。 \n", 60, "你好。\n\n再见。", true),
        // Later sentences that do not fit are left out whole.
        ("一二。三四。五六。", 6, "一二。三四。", false), ("一二。三四五六", 6, "一二。", false),
        ("一二。\n三四。", 6, "一二。", false), ("一二。三四。", 6, "一二。三四。", true),
        ("一二。三四。\n\n\n\n\n", 6, "一二。三四。", true),
        // A first sentence that is too long.
        ("一二三四五六七", 6, "一二三四五…", false), ("一二三四五六", 6, "一二三四五六", true),
        ("一二三四五！！", 6, "一二三四五…", false), ("一二三四五！\n", 6, "一二三四五！", true),
        ("abcd efgh", 6, "abcd …", false), ("一", 1, "一", true), ("一。", 1, "…", false),
        ("！！！！！！！", 6, "！！！！！…", false),
    ])
    func shapes(_ text: String, _ limit: Int, _ reply: String, _ stops: Bool) {
        let outcome = Self.whole(text, limit: limit)
        #expect(outcome.text == reply)
        #expect(outcome.reason == (stops ? .stop : .length))
    }

    @Test func countsAFamilyAsOneCharacter() {
        let family = "👨‍👩‍👧‍👦"
        #expect(Self.whole("好好\(family)。", limit: 4).text == "好好\(family)。")
        // 21 scalars of 12: one family fits.
        #expect(Self.whole(family + family + family, limit: 3).text == "\(family)…")
    }

    @Test func endsWhereGenerationWasStopped() {
        #expect(Self.whole("一二。三", limit: 60, modelEnded: false).text == "一二。")
        #expect(Self.whole("一二。三。", limit: 60, modelEnded: false).text == "一二。三。")
        #expect(Self.whole("一二三", limit: 60, modelEnded: false).text == "一二三…")
        #expect(Self.whole("一二三", limit: 3, modelEnded: false).text == "一二…")
        #expect(Self.whole("I am 3.", limit: 60, modelEnded: false).text == "I am 3.…")
        #expect(Self.whole("I am.", limit: 60, modelEnded: false).text == "I am.")
        #expect(Self.whole("", limit: 60, modelEnded: false) == Outcome(sent: ["", ""], reason: .length))
    }

    @Test func sendsTheFirstSentenceAsItComes() {
        let outcome = Self.stream(["你", "好", "呀", "！", "再", "见", "。", "走"], limit: 60)
        #expect(outcome.sent == ["", "你", "好", "呀", "！", "", "", "再见。", "走"])
    }

    @Test func holdsBackWhatTheCutNeeds() {
        let outcome = Self.stream("一二三四五六七".map(String.init), limit: 4)
        #expect(outcome.sent == ["", "一", "二", "三", "…", ""])
        // Whether the fourth fits is known at the end only.
        #expect(Self.stream("一二三四".map(String.init), limit: 4).sent == ["", "一", "二", "三", "四"])
    }

    @Test func joinersAndMarksMayStillChangeTheLastGrapheme() {
        let scalars = "e\u{301}👨\u{200D}👩!".unicodeScalars.map { String(Character($0)) }
        #expect(Self.stream(scalars, limit: 60).sent == ["", "", "e\u{301}", "", "", "👨\u{200D}👩", "!"])
    }

    @Test func stopsGeneratingAsSoonAsTheReplyIsSettled() {
        var shaper = ReplyShaper(maxCharacters: 4)
        #expect(shaper.append("一。二。") == "一。")
        #expect(!shaper.isComplete)
        #expect(shaper.append("三") == "二。")
        #expect(shaper.isComplete)
        #expect(shaper.append("四。") == "")
        #expect(shaper.finish(modelEnded: true) == ReplyEnd(rest: "", reason: .length))
        #expect(shaper.text == "一。二。")
    }

    @Test func boundsTheScalars() {
        let tall = "e" + String(repeating: "\u{301}", count: 400)
        #expect(Self.whole(tall, limit: 60).text == "…")
        #expect(Self.whole("好。\(tall)", limit: 60).text == "好。")
        #expect(Self.whole("好\(tall)", limit: 60).text == "好…")
        #expect(Self.whole(" " + String(repeating: "\u{301}", count: 400) + "好。", limit: 60).text == "")
        let fits = "e" + String(repeating: "\u{301}", count: 239)
        #expect(Self.whole(fits, limit: 60) == Outcome(sent: ["", fits], reason: .stop))
    }
}
