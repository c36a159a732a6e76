import Testing

@testable import Roles

/// Random texts cut in every which way, against the definition of a reply written down a second time.
@Suite struct ReplyShaperPropertyTests {
    @Test(arguments: 0..<8)
    func theReplyDependsOnTheTextAlone(_ seed: Int) throws {
        var random = SeededGenerator(state: UInt64(seed))
        var cases = (ownEnd: 0, afterSentence: 0, ellipsis: 0)
        for _ in 0..<500 {
            let limit = try #require([1, 2, 3, 5, 8, 13, 60].randomElement(using: &random))
            let text = RandomText.make(&random)
            let modelEnded = Bool.random(using: &random)
            let expected = Reference.reply(text, limit: limit, modelEnded: modelEnded)
            for _ in 0..<4 {
                let pieces = RandomText.split(text, &random)
                let outcome = ReplyShaperTests.stream(pieces, limit: limit, modelEnded: modelEnded)
                guard Array(outcome.text.utf8) == Array(expected.text.utf8), outcome.reason == expected.reason else {
                    Issue.record("\(pieces) at \(limit), ended \(modelEnded): \(outcome) for \(expected)")
                    return
                }
            }
            #expect(expected.text.count <= limit)
            #expect(expected.text.unicodeScalars.count <= 4 * limit + 1)
            var shaper = ReplyShaper(maxCharacters: limit)
            _ = shaper.append(text)
            switch (shaper.finish(modelEnded: modelEnded), shaper.text) {
            case (let end, _) where end.reason == .stop:
                #expect(!end.isCut)
                cases.ownEnd += 1
            case (let end, let reply) where end.isCut:
                #expect(reply.last == "…" || reply.unicodeScalars.last == "…")
                cases.ellipsis += 1
            default: cases.afterSentence += 1
            }
        }
        print("replies by their end, seed \(seed): \(cases)")
        #expect(cases.ownEnd > 50 && cases.afterSentence > 50 && cases.ellipsis > 50)
    }
}

/// The definition, applied to a whole text with no regard to streams.
enum Reference {
    static func reply(_ text: String, limit: Int, modelEnded: Bool) -> (text: String, reason: ReplyEnd.Reason) {
        // White space that marks make taller than a whole reply may be ends the text: it cannot be held back.
        func isTall(_ character: Character) -> Bool {
            character.isWhitespace && character.unicodeScalars.count > 4 * limit
        }
        let leading = text.prefix(while: \.isWhitespace)
        if leading.contains(where: isTall) { return ("", .length) }
        let characters = Array(text[leading.endIndex...])
        let wall = characters.firstIndex(where: isTall)
        var ends = sentenceEnds(characters, modelEnded: modelEnded)
        if let wall { ends.removeAll { $0 > wall } }
        // A sentence does not take the white space after it along.
        ends = ends.map { end in end - characters[..<end].reversed().prefix(while: \.isWhitespace).count }
        func fits(_ count: Int) -> Bool {
            count <= limit && characters[..<count].reduce(0) { $0 + $1.unicodeScalars.count } <= 4 * limit
        }
        let solid = characters.count - characters.reversed().prefix(while: \.isWhitespace).count
        let isWhole = fits(solid) && wall == nil
        let reason: ReplyEnd.Reason = modelEnded && isWhole ? .stop : .length
        if let end = ends.last(where: { fits($0) && $0 > 0 }) { return (String(characters[..<end]), reason) }
        guard !characters.isEmpty else { return ("", reason) }
        var kept = min(limit - 1, wall ?? characters.count)
        while !fits(kept) { kept -= 1 }
        return (String(characters[..<kept]) + "…", reason)
    }

    private static func sentenceEnds(_ characters: [Character], modelEnded: Bool) -> [Int] {
        var scanner = SentenceScanner()
        var ends: [Int] = []
        for (index, character) in characters.enumerated() {
            if let first = character.unicodeScalars.first, scanner.advance(first) { ends.append(index) }
        }
        if modelEnded || scanner.isAtSentenceEnd { ends.append(characters.count) }
        return ends
    }
}

enum RandomText {
    private static let palettes: [[String]] = [
        ["好", "你", "的", "。", "！", "，", "？", "…", "”", "」"],
        ["👨‍👩‍👧‍👦", "💪🏻", "❤️", "🇨🇳", "😊", "！", "\u{200D}", "\u{FE0F}", "🇨", "1️⃣", "好"],
        ["a", "b", " ", ".", ",", "1", "2", "!", "\n", "~", ")", "e\u{301}", "\r\n", "\r"],
        ["好", "人", "大", "家"],
        ["。", "！", "…", "?", ".", "~"],
        ["\u{301}", "e", "क", "्", "ष", "\u{600}", "ᄀ", "ᅡ", "ᆨ", "\u{200D}", "\u{0}", "\u{FFFD}", " ", "。"],
    ]

    static func make(_ random: inout SeededGenerator) -> String {
        let palette = palettes.randomElement(using: &random) ?? []
        let mixed = Bool.random(using: &random) ? palette : palettes.flatMap { $0 }
        var text = ""
        for _ in 0..<Int.random(in: 0...40, using: &random) {
            if Int.random(in: 0..<150, using: &random) == 0 {
                // A grapheme of hundreds of scalars; on a letter, not on white space.
                text += "x" + String(repeating: "\u{301}", count: Int.random(in: 200...400, using: &random))
            }
            text += mixed.randomElement(using: &random) ?? ""
        }
        return text
    }

    /// Cuts anywhere between scalars, through graphemes too.
    static func split(_ text: String, _ random: inout SeededGenerator) -> [String] {
        let longest = Int.random(in: 1...12, using: &random)
        var pieces: [String] = []
        var rest = Substring(text).unicodeScalars
        while !rest.isEmpty {
            let count = Int.random(in: 0...longest, using: &random)
            pieces.append(String(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        return pieces
    }
}
