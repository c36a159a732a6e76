import Testing

@testable import Tokenization

struct NormalizerTests {
    private func normalized(_ bytes: [UInt8]) -> [UInt8] { Normalizer.normalize(bytes.span) }
    private func isNormalized(_ bytes: [UInt8]) -> Bool { Normalizer.isNormalized(bytes.span) }

    private func normalized(_ text: String) -> [Unicode.Scalar] {
        Array(String(decoding: normalized(Array(text.utf8)), as: UTF8.self).unicodeScalars)
    }

    @Test(arguments: [
        ("", ""), ("plain 中文 text", "plain 中文 text"),
        ("e\u{301}", "\u{E9}"), ("\u{E9}\u{323}", "\u{1EB9}\u{301}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"), ("\u{1E0B}\u{323}", "\u{1E0D}\u{307}"),
        ("a\u{315}\u{300}\u{5AE}\u{300}b", "\u{E0}\u{5AE}\u{300}\u{315}b"),  // NormalizationTest.txt
        ("\u{212B}", "\u{C5}"), ("\u{2126}", "\u{3A9}"), ("\u{F900}", "\u{8C48}"), ("\u{2F800}", "\u{4E3D}"),
        ("\u{958}", "\u{915}\u{93C}"), ("\u{FB2C}", "\u{5E9}\u{5BC}\u{5C1}"),  // composition exclusions
        ("\u{1100}\u{1161}", "\u{AC00}"), ("\u{1100}\u{1161}\u{11A8}", "\u{AC01}"),
        ("\u{AC00}\u{11A7}", "\u{AC00}\u{11A7}"), ("\u{AC01}\u{11A8}", "\u{AC01}\u{11A8}"),
        ("\u{0344}", "\u{308}\u{301}"), ("\u{301}e\u{301}", "\u{301}\u{E9}"), ("e\u{327}\u{301}", "\u{229}\u{301}"),
        ("\u{9C7}\u{9BE}", "\u{9CB}"), ("\u{11935}\u{11930}", "\u{11938}"), ("\u{16D63}\u{16D68}", "\u{16D6A}"),
    ])
    func knownCases(_ text: String, _ expected: String) {
        #expect(normalized(text) == Array(expected.unicodeScalars))
    }

    /// Each composite's full decomposition composes again, unless it is excluded.
    @Test func compositesComeBack() {
        let excluded = Set(UnicodeTables.compositionExclusions)
        for i in stride(from: 0, to: UnicodeTables.pairs.count, by: 3) where !excluded.contains(UnicodeTables.pairs[i])
        {
            let composite = UnicodeTables.pairs[i]
            var decomposed: [UInt8] = []
            CanonicalMappings.shared.decompose(composite) { UTF8Decoding.append($0, to: &decomposed) }
            var expected: [UInt8] = []
            UTF8Decoding.append(composite, to: &expected)
            #expect(normalized(decomposed) == expected)
        }
    }

    /// Canonically equivalent texts have one form; the standard library decides what is equivalent.
    @Test func randomMarksStayEquivalentAndBecomeStable() throws {
        var generator = SplitMix(state: 2)
        let characters = Array(
            "aeoq각가각\u{300}\u{301}\u{323}\u{327}\u{31B}\u{345}\u{5B0}\u{93C}\u{3099}か中 éḍ".unicodeScalars
        )
        for _ in 0..<3000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<7 { text.append(try #require(characters.randomElement(using: &generator))) }
            let once = normalized(String(text))
            #expect(String(String.UnicodeScalarView(once)) == String(text))
            let bytes = Array(String(String.UnicodeScalarView(once)).utf8)
            #expect(normalized(bytes) == bytes)
        }
    }

    @Test func isNormalizedNeverClaimsTooMuch() {
        #expect(isNormalized(Array("Ünïcode 中文 😀 한글".utf8)))
        for text in ["e\u{301}", "\u{212B}", "\u{1100}\u{1161}"] {
            #expect(!isNormalized(Array(text.utf8)))
        }
        #expect(!isNormalized([0x61, 0xFF]))
        #expect(!isNormalized([0xE4, 0xBD]))
    }

    @Test func illFormedBytesBecomeReplacements() {
        #expect(normalized([0x61, 0xFF, 0xE4, 0xBD] as [UInt8]) == Array("a\u{FFFD}\u{FFFD}".utf8))
    }

    /// Quadratic sorting or composing would take minutes here.
    @Test(.timeLimit(.minutes(1))) func endlessMarks() {
        let marks = String(repeating: "\u{301}\u{323}", count: 50_000)
        let output = normalized(Array(("e" + marks).utf8))
        #expect(output.starts(with: "\u{1EB9}\u{301}".utf8) == false)
        #expect(output.starts(with: "\u{1EB9}\u{323}".utf8))
        #expect(output.count == 3 + 2 * 99_999)
    }
}
