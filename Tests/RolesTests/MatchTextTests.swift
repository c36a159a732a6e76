import Testing

@testable import Roles

@Suite struct MatchTextTests {
    private func plain(_ text: String) -> String {
        let values = MatchText(text).symbols.map(\.value)
        return String(String.UnicodeScalarView(values.compactMap(Unicode.Scalar.init)))
    }

    @Test(arguments: [
        ("我 想　死", "我想死"), ("我，想·死！", "我想死"), ("想\u{200B}死\u{FEFF}", "想死"), ("想😭死", "想死"),
        ("ＫＩＬＬ　Myself", "killmyself"), ("１２３56", "12356"), ("e\u{301}", "e"), ("İ", "i"), ("ß", "ß"), ("想\n死", "想死"),
        ("👨‍👩‍👧 !?", ""), ("", ""), ("*x*", "x"), ("𝐀", "𝐀"),
    ])
    func keepsLettersAndDigits(text: String, expected: String) {
        #expect(plain(text) == expected)
    }

    @Test func remembersLinesAndRuns() {
        let symbols = MatchText("ab 想。c\n死 了").symbols
        #expect(symbols.map(\.lineStart) == [0, 0, 0, 0, 4, 4])
        #expect(symbols.map(\.runStart) == [0, 0, 2, 3, 4, 5])
        #expect(symbols.map(\.isInsideWord) == [true, false, false, false, false, false])
        #expect(MatchText("ab cd1 想").symbols.map(\.runStart) == [0, 0, 0, 0, 0, 5])
    }

    @Test func cutsStartNewLinesAndRuns() {
        var text = MatchText("一二三四")
        text.cut([false, true, false, false])
        #expect(text.symbols.map(\.value) == [0x4E00, MatchText.Symbol.cut, 0x4E09, 0x56DB])
        #expect(text.symbols.map(\.lineStart) == [0, 2, 2, 2])
        #expect(text.symbols.map(\.runStart) == [0, 2, 2, 2])
    }
}
