import ModelFiles
import Testing

@testable import Tokenization

struct StreamingDecoderTests {
    private func stream(_ ids: [TokenID]) throws -> [String] {
        var decoder = StreamingDecoder(tokenizer: try Fixture.tokenizer())
        return ids.map { decoder.append($0) } + [decoder.finish()]
    }

    @Test func charactersComeWhole() throws {
        let bytes = Array("é中😀".utf8).map { TokenID($0) }
        #expect(try stream(bytes) == ["", "é", "", "", "中", "", "", "", "😀", ""])
    }

    @Test func invalidBytesBecomeReplacements() throws {
        #expect(try stream([0x61, 0xFF, 0x62]) == ["a", "\u{FFFD}", "b", ""])
        #expect(try stream([0xE4, 0x61]) == ["", "\u{FFFD}a", ""])
        #expect(try stream([0xE4, 0xBD]) == ["", "", "\u{FFFD}"])
        #expect(try stream([0xE4, 0xE4, 0xBD, 0xA0]) == ["", "\u{FFFD}", "", "你", ""])
    }

    @Test func controlTokensAndMissingIdsHaveNoText() throws {
        #expect(try stream([0x61, 269, 267, 271, 5000, -1, 0x62]) == ["a", "", "", "", "", "", "b", ""])
    }

    /// A control token in the middle of a character does not end it; the whole is that of `decode`.
    @Test func streamingGivesTheSameAsDecodingAtOnce() throws {
        let tokenizer = try Fixture.tokenizer()
        var generator = SplitMix(state: 6)
        for _ in 0..<500 {
            let ids = (0..<12).map { _ in TokenID.random(in: 0..<272, using: &generator) }
            let whole = String(decoding: ids.flatMap { tokenizer.bytes(of: $0) }, as: UTF8.self)
            #expect(Array(try stream(ids).joined().utf8) == Array(whole.utf8))
            #expect(Array(tokenizer.decode(ids).utf8) == Array(whole.utf8))
        }
    }
}
