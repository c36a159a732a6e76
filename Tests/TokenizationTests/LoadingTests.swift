import ModelFiles
import Testing

@testable import Tokenization

struct LoadingTests {
    private static let texts = ["hello hello", "aaaaa 正 é", "<|im_start|>", "x\n\n y"]

    private func expectFixture(_ tokenizer: Tokenizer) throws {
        let expected = try Fixture.tokenizer()
        #expect(tokenizer.count == expected.count)
        #expect(tokenizer.properties == expected.properties)
        for text in Self.texts { #expect(tokenizer.encode(text) == expected.encode(text)) }
        for id in 0..<TokenID(expected.count) {
            #expect(tokenizer.bytes(of: id) == expected.bytes(of: id))
            #expect(tokenizer.isControl(id) == expected.isControl(id))
        }
    }

    @Test(arguments: [false, true]) func tokenizerJSON(pairs: Bool) throws {
        let files = ["tokenizer.json": Fixture.json(pairs: pairs), "tokenizer_config.json": Fixture.configuration]
        try withFolder(files) { try expectFixture(try Tokenizer.load(folder: $0)) }
    }

    @Test func vocabularyAndMerges() throws {
        let files = [
            "vocab.json": Fixture.vocabularyJSON, "tokenizer_config.json": Fixture.configuration,
            "merges.txt": "#version: 0.2\n" + Fixture.merges.joined(separator: "\n") + "\n",
        ]
        try withFolder(files) { try expectFixture(try Tokenizer.load(folder: $0)) }
    }

    @Test func metadataComesBack() throws {
        let written = try Fixture.tokenizer().ggufMetadata
        let keys = written.map(\.0)
        #expect(Set(keys).count == keys.count)
        try expectFixture(try Tokenizer.load(metadata: Dictionary(uniqueKeysWithValues: written), path: "x"))
    }

    @Test func metadataIsPaddedToTheVocabularySize() throws {
        let written = Dictionary(uniqueKeysWithValues: try Fixture.tokenizer().ggufMetadata(vocabularySize: 300))
        #expect(written["tokenizer.ggml.tokens"]?.strings?.count == 300)
        #expect(written["tokenizer.ggml.token_type"]?.ints?.last == 5)
        try expectFixture(try Tokenizer.load(metadata: written, path: "x"))
    }

    @Test(
        arguments: [
            ("tokenizer.ggml.model", .string("llama")), ("tokenizer.ggml.model", nil),
            ("tokenizer.ggml.pre", .string("llama-bpe")), ("tokenizer.ggml.pre", nil),
            ("tokenizer.ggml.tokens", nil), ("tokenizer.ggml.merges", nil),
            ("tokenizer.ggml.tokens", .strings(["a", "b"])), ("tokenizer.ggml.tokens", .string("a")),
            ("tokenizer.ggml.token_type", .array(MetadataArray([1, 2] as [Int32]))),
            ("tokenizer.ggml.token_type", .array(MetadataArray([Int32](repeating: 9, count: 273)))),
            ("tokenizer.ggml.token_type", .array(MetadataArray([Int32](repeating: -1, count: 273)))),
            ("tokenizer.ggml.merges", .strings(["h e", "he"])), ("tokenizer.ggml.merges", .strings(["h x"])),
            ("tokenizer.ggml.merges", .strings(["h"])), ("tokenizer.ggml.merges", .strings(["中 文"])),
            ("tokenizer.ggml.eos_token_id", .uint32(5000)), ("tokenizer.ggml.eos_token_id", .string("x")),
        ] as [(String, MetadataValue?)]
    )
    func badMetadataIsAnError(_ key: String, _ value: MetadataValue?) {
        var metadata = Fixture.metadata
        metadata[key] = value
        let error = #expect(throws: TokenizerError.self) { try Tokenizer.load(metadata: metadata, path: "x.gguf") }
        #expect(error?.description.hasPrefix("x.gguf: ") == true)
        #expect(error?.description.contains("\n") == false)
    }

    /// Files from before llama.cpp wrote the kind of pre-tokenizer.
    @Test(arguments: ["qwen2", "qwen3"])
    func aMissingKindIsThatOfTheArchitecture(architecture: String) throws {
        var metadata = Fixture.metadata
        metadata["tokenizer.ggml.pre"] = nil
        metadata["general.architecture"] = .string(architecture)
        try expectFixture(try Tokenizer.load(metadata: metadata, path: "x"))
    }

    /// Qwen3's `<think>` is an added token, but no special one: text does not yield it either.
    @Test func userDefinedTokensAreAddedOnes() throws {
        var metadata = Fixture.metadata
        var tokens = (0..<273).compactMap { metadata["tokenizer.ggml.tokens"]?.strings?[$0] }
        tokens[267] = Array("<think>".utf8)
        metadata["tokenizer.ggml.tokens"] = .array(MetadataArray(tokens))
        let types = [Int32](repeating: 1, count: 267) + [4, 3, 3, 3, 5, 5]
        metadata["tokenizer.ggml.token_type"] = .array(MetadataArray(types))
        let tokenizer = try Tokenizer.load(metadata: metadata, path: "x")
        #expect(tokenizer.addedToken("<think>") == 267 && tokenizer.addedToken("<|im_end|>") == 270)
        #expect(tokenizer.addedToken("hello") == nil && tokenizer.addedToken("[PAD271]") == nil)
        #expect(!tokenizer.isControl(267) && tokenizer.controlToken("<think>") == nil)
        #expect(tokenizer.encode("<think>") == "<think>".utf8.map { TokenID($0) })
        #expect(tokenizer.chatTemplate == "{{ x }}")
    }

    @Test func aTemplateMayBeAFileOfItsOwn() throws {
        let files = [
            "tokenizer.json": Fixture.json(), "tokenizer_config.json": "{}",
            "chat_template.jinja": "{{ enable_thinking }}",
        ]
        try withFolder(files) { folder in
            let tokenizer = try Tokenizer.load(folder: folder)
            #expect(tokenizer.chatTemplate == "{{ enable_thinking }}")
        }
    }

    /// A merge that spells a control token would let text yield it.
    @Test func mergesCannotMakeControlTokens() {
        var metadata = Fixture.metadata
        var tokens = Fixture.tokens
        tokens[256 + 6] = Array("<|im_end|>".utf8)
        var types = [Int32](repeating: 1, count: tokens.count)
        types[256 + 6] = 3
        metadata["tokenizer.ggml.tokens"] = .array(MetadataArray(tokens))
        metadata["tokenizer.ggml.token_type"] = .array(MetadataArray(types))
        metadata["tokenizer.ggml.eos_token_id"] = nil
        #expect(throws: TokenizerError.self) { try Tokenizer.load(metadata: metadata, path: "x") }
    }

    @Test(arguments: [
        ("\"NFC\"", "\"NFKC\""), ("{\"type\": \"NFC\"}", "null"), ("\\\\p{N}|", "\\\\p{N}{1,3}|"),
        ("Isolated", "Removed"),
        ("\"use_regex\": false", "\"use_regex\": true"), ("\"BPE\"", "\"Unigram\""),
        ("\"dropout\": null", "\"dropout\": 0.1"),
        ("\"ignore_merges\": false", "\"ignore_merges\": true"), ("\"a a\"", "\"a\""), ("\"a a\"", "[\"a\"]"),
        ("\"a a\"", "7"),
        ("\"vocab\"", "\"words\""), ("\"id\": 268", "\"id\": 99999999"), ("\"content\": \"<|im_end|>\"", "\"text\": 1"),
        ("\"h e\"", "\"h\u{4E2D} e\""), ("\"he\": 256", "\"he\": -1"), ("\"he\": 256", "\"he\": \"x\""), ("}}", "}"),
    ])
    func badJSONIsAnError(_ part: String, _ replacement: String) throws {
        let json = Fixture.json().replacing(part, with: replacement)
        #expect(json != Fixture.json())
        try withFolder(["tokenizer.json": json]) { folder in
            let error = #expect(throws: TokenizerError.self) { try Tokenizer.load(folder: folder) }
            #expect(error?.path == "\(folder)/tokenizer.json")
        }
    }

    @Test func missingFilesAreAnError() throws {
        let error = #expect(throws: TokenizerError.self) { try Tokenizer.load(folder: "/nonexistent") }
        #expect(error?.reason == "has neither tokenizer.json nor vocab.json and merges.txt")
    }

    @Test func truncatedJSONIsAnError() throws {
        let json = Fixture.json()
        for length in stride(from: 0, to: json.utf8.count, by: 97) {
            let text = String(decoding: json.utf8.prefix(length), as: UTF8.self)
            try withFolder(["tokenizer.json": text]) { folder in
                #expect(throws: TokenizerError.self) { try Tokenizer.load(folder: folder) }
            }
        }
    }
}
