import Testing

@testable import Tokenization

struct ByteAlphabetTests {
    private func decode(_ text: String, into bytes: inout [UInt8]) -> Bool {
        ByteAlphabet.decode(text.utf8.span, into: &bytes)
    }

    @Test func everyByteComesBack() {
        let bytes = (0...255).map { UInt8($0) }
        var text: [UInt8] = []
        ByteAlphabet.encode(bytes.span, into: &text)
        var decoded: [UInt8] = []
        let isInAlphabet = decode(String(decoding: text, as: UTF8.self), into: &decoded)
        #expect(isInAlphabet)
        #expect(decoded == bytes)
        #expect(Set(String(decoding: text, as: UTF8.self).unicodeScalars).count == 256)
    }

    @Test func knownLetters() {
        #expect(String(decoding: Fixture.alphabet([0x20, 0x0A, 0x41, 0xAD, 0x00]), as: UTF8.self) == "ĠĊAŃĀ")
    }

    @Test(arguments: [" ", "中", "\u{144}", "\u{AD}"])
    func otherCharactersAreRefused(_ text: String) {
        var decoded: [UInt8] = []
        let isInAlphabet = decode(text, into: &decoded)
        #expect(!isInAlphabet)
    }
}
