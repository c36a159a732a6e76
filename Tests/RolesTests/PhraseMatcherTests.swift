import Testing

@testable import Roles

@Suite struct PhraseMatcherTests {
    private func finds(_ phrases: [String], _ text: String) -> Bool {
        PhraseMatcher(phrases).isFound(in: MatchText(text))
    }

    @Test(arguments: [
        (["想死"], "我想死", true), (["想死"], "我想。死", true), (["想死"], "想\n死", true), (["想死"], "死想", false),
        (["哈哈哈"], "哈哈", false), (["哈哈哈"], "哈哈哈", true), (["ab", "b"], "abc", false), (["bc d"], "a bcd", true),
        (["abab"], "aababab", true), (["活*没意思"], "活没意思", true), (["活*没意思"], "活一二三四五六七八没意思", true),
        (["活*没意思"], "活一二三四五六七八九没意思", false), (["活*没意思"], "活着，真的没意思", true),
        (["活*没意思"], "活着\n真没意思", false), (["活*没意思"], "活\n没意思", false), (["活*没意思"], "活着真没\n意思", true),
        (["活*没意思"], "活一二三四五六七活八没意思", true), (["a*b*c"], "a1b2c", true), (["a*b*c"], "a1c2b", false),
        (["a*b*c"], "a12345678b12345678c", true), (["want to die"], "I WANT TO DIE.", true),
        (["want to die"], "I want to diet", false), (["want to die"], "w a n t t o d i e", true),
        (["want to die"], "want to die我", true), (["自杀"], "自*杀", true), ([], "想死", false), (["想死"], "", false),
    ])
    func findsPhrases(phrases: [String], text: String, expected: Bool) {
        #expect(finds(phrases, text) == expected)
    }

    @Test(arguments: [
        ("笑死我了", [true, true, false, false]), ("笑，死", [false, false]), ("笑 死", [false, false]),
        ("笑死笑死", [true, true, true, true]), ("死去活来死", [true, true, true, true, false]),
    ])
    func coversWhatStandsInOnePiece(text: String, expected: [Bool]) {
        #expect(PhraseMatcher(["笑死", "死*来"]).covered(in: MatchText(text)) == expected)
    }

    @Test func wordsOfLatinLettersAreOnePiece() {
        #expect(PhraseMatcher(["dying laughing"]).covered(in: MatchText("dying laughing")).allSatisfy { $0 })
        #expect(!PhraseMatcher(["dying laughing"]).covered(in: MatchText("dying. Laughing")).contains(true))
    }

    @Test func phrasesHaveANormalForm() {
        #expect(PhraseMatcher.normalized("Ａ 不*想。活!") == "a不*想活")
        for phrase in ["", "!", "*", "*a", "a*", "a**b", "a*。*b"] { #expect(PhraseMatcher.normalized(phrase) == nil) }
    }

    /// What a careful author of inputs would try: near misses of every phrase, for as long as messages may be.
    @Test(arguments: ["活", "活着没意", "活没活没", "啊活啊没啊意啊", "a", "aac", "活*没意思\n", "😭活\u{200B}"])
    func aStepIsNeverTakenTwice(piece: String) {
        let phrases = [
            "活*没意思了吗", "活没活没活没活没活啊", "a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
        ]
        let matcher = PhraseMatcher(phrases)
        let total = phrases.joined().filter { $0 != "*" }.count
        #expect(matcher.maxStepsPerSymbol <= total)
        var text = ""
        while text.count < 2_000 { text += piece }
        let symbols = MatchText(text)
        for withinRuns in [false, true] {
            var isFound = false
            let steps = matcher.scan(symbols, withinRuns: withinRuns) { _ in
                isFound = true
                return true
            }
            #expect(!isFound)
            #expect(steps <= symbols.symbols.count * matcher.maxStepsPerSymbol)
        }
    }

    @Test func agreesWithAnObviousMatcher() {
        var random = SeededGenerator(state: 3)
        let alphabet = Array("aab*")
        var found = 0
        for _ in 0..<4_000 {
            let text = String(
                (0..<Int.random(in: 0...24, using: &random)).map { _ in
                    Character(["啊", "波", "\n"].randomElement(using: &random) ?? "啊")
                }
            )
            let phrase = String(
                (0..<Int.random(in: 1...6, using: &random)).map { _ in
                    alphabet.randomElement(using: &random) ?? "a"
                }
            ).map { $0 == "a" ? "啊" : $0 == "b" ? "波" : $0 }
            guard let phrase = PhraseMatcher.normalized(String(phrase)) else { continue }
            let expected = obviouslyFound(phrase.split(separator: "*").map(Array.init), Array(text), 0, nil)
            #expect(finds([phrase], text) == expected, "\(phrase) in \(text)")
            found += expected ? 1 : 0
        }
        #expect((500...3_500).contains(found))
    }

    /// Tries everything. parts: what stands between the `*`; last: where the part before ended, if any.
    private func obviouslyFound(_ parts: [[Character]], _ text: [Character], _ part: Int, _ last: Int?) -> Bool {
        guard part < parts.count else { return true }
        for start in (last.map { $0 + 1 } ?? 0)..<max(text.count, (last.map { $0 + 1 } ?? 0)) where text[start] != "\n"
        {
            if let last, text[(last + 1)..<start].contains("\n") || start - last - 1 > PhraseMatcher.maxGap {
                return false
            }
            var index = start
            var matched = 0
            var end = start
            while index < text.count, matched < parts[part].count {
                if text[index] != "\n" {
                    guard text[index] == parts[part][matched] else { break }
                    matched += 1
                    end = index
                }
                index += 1
            }
            if matched == parts[part].count, obviouslyFound(parts, text, part + 1, end) { return true }
        }
        return false
    }
}
