import Testing

@testable import Tokenization

struct PreTokenizerTests {
    private func pieces(_ text: String) -> [String] {
        let bytes = Array(text.utf8)
        var pieces: [String] = []
        var start = 0
        while start < bytes.count {
            let end = PreTokenizer().pieceEnd(in: bytes.span, from: start)
            pieces.append(String(decoding: bytes[start..<end], as: UTF8.self))
            start = end
        }
        return pieces
    }

    /// Expected pieces are those of Hugging Face `tokenizers` 0.23.
    @Test(arguments: [
        ("Hello world", ["Hello", " world"]),
        ("it's DON'T we'LL y'all'd", ["it", "'s", " DON", "'T", " we", "'LL", " y", "'all", "'d"]),
        ("'\u{17F}a 'st 'r 're", ["'\u{17F}", "a", " '", "st", " '", "r", " '", "re"]),
        ("abc123 4", ["abc", "1", "2", "3", " ", "4"]),
        ("中文,English!!", ["中文", ",English", "!!"]),
        ("a  b   c", ["a", " ", " b", "  ", " c"]),
        ("a \n b", ["a", " \n", " b"]),
        ("a\n\n b\r\n", ["a", "\n\n", " b", "\r\n"]),
        ("x \t\n \n  y", ["x", " \t\n \n", " ", " y"]),
        ("!!\n\nx", ["!!\n\n", "x"]),
        (" !\r\n", [" !\r\n"]),
        ("  !", [" ", " !"]),
        ("\tfoo", ["\tfoo"]),
        ("\u{3000}中", ["\u{3000}中"]),
        ("\u{3000}!", ["\u{3000}", "!"]),
        ("trailing   ", ["trailing", "   "]),
        ("e\u{301}", ["e", "\u{301}"]),
        ("!e", ["!e"]),
        ("\ne", ["\n", "e"]),
        ("½Ⅷ٣", ["½", "Ⅷ", "٣"]),
        ("<|im_end|>", ["<|", "im", "_end", "|>"]),
    ])
    func knownCases(_ text: String, _ expected: [String]) {
        #expect(pieces(text).map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(pieces(text))")
    }

    @Test func piecesCoverTheText() {
        #expect(pieces("").isEmpty)
        let text = "a1 \r\n\t'S!\u{301}中\u{3000}😀"
        #expect(pieces(text).joined() == text)
    }
}
