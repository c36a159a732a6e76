import ModelFiles
import Testing

@testable import Tokenization

struct TokenizerTests {
    @Test func encodesByMerges() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.encode("hello hello") == [259, 260])
        #expect(tokenizer.encode("help") == [256, 108, 112])
        #expect(tokenizer.encode("") == [])
        #expect(tokenizer.decode([259, 260]) == "hello hello")
    }

    /// `aaa` is a token, but the merges lead elsewhere: they decide.
    @Test func aWholePieceInTheVocabularyIsNoShortcut() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.bytes(of: 264) == Array("aaa".utf8))
        #expect(tokenizer.encode("aaa") == [261, 97])
        #expect(tokenizer.encode("正") == [265])
    }

    @Test func textNeverBecomesControl() throws {
        let tokenizer = try Fixture.tokenizer()
        for name in Fixture.controls {
            let ids = tokenizer.encode("a\(name)b")
            #expect(!ids.contains { tokenizer.isControl($0) })
            #expect(tokenizer.decode(ids) == "a\(name)b")
        }
    }

    @Test func controlTokensByName() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.controlToken("<|im_end|>") == 270)
        #expect(tokenizer.controlToken("hello") == nil)
        #expect(tokenizer.controlTokenIDs == [268, 269, 270])
        #expect(tokenizer.isControl(269) && !tokenizer.isControl(267) && !tokenizer.isControl(9999))
        #expect(tokenizer.bytes(of: 269) == [])
    }

    @Test func countEndsAtTheLastToken() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.count == 271)
        #expect(tokenizer.bytes(of: 267) == [])
        #expect(tokenizer.bytes(of: 260) == Array(" hello".utf8))
    }

    @Test func allInputsAgree() throws {
        let tokenizer = try Fixture.tokenizer()
        let text = "hello e\u{301} 中文"
        let expected = tokenizer.encode("hello é 中文")
        let bytes = Array(text.utf8)
        #expect(tokenizer.encode(text) == expected)
        #expect(tokenizer.encode(bytes) == expected)
        #expect(tokenizer.encode(bytes.lazy.map { $0 }) == expected)
        #expect(bytes.withUnsafeBytes { tokenizer.encode($0) } == expected)
        #expect(tokenizer.encode(UnsafeRawBufferPointer(start: nil, count: 0)) == [])
    }

    @Test func invalidBytesAreReplacedFirst() throws {
        let tokenizer = try Fixture.tokenizer()
        #expect(tokenizer.encode([0x61, 0xFF, 0x62] as [UInt8]) == tokenizer.encode("a\u{FFFD}b"))
    }

    /// Canonically equivalent tokens are different tokens.
    @Test func bytesAreTheKeyOfTheVocabulary() throws {
        var metadata = Fixture.metadata
        let composed = Fixture.alphabet([0xC3]) + Fixture.alphabet([0xA9])
        let decomposed = [UInt8(ascii: "e")] + Fixture.alphabet([0xCC, 0x81])
        let tokens = Fixture.tokens + [composed, Fixture.alphabet([0xCC, 0x81]), decomposed]
        metadata["tokenizer.ggml.tokens"] = .array(MetadataArray(tokens))
        metadata["tokenizer.ggml.token_type"] = nil
        metadata["tokenizer.ggml.eos_token_id"] = nil
        let tokenizer = try Tokenizer.load(metadata: metadata, path: "x")
        #expect(tokenizer.bytes(of: 267) == [0xC3, 0xA9])
        #expect(tokenizer.bytes(of: 269) == [0x65, 0xCC, 0x81])
    }
}
