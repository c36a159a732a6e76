package import ModelFiles

extension Tokenizer {
    private enum Key {
        static let model = "tokenizer.ggml.model"
        static let pre = "tokenizer.ggml.pre"
        static let tokens = "tokenizer.ggml.tokens"
        static let types = "tokenizer.ggml.token_type"
        static let merges = "tokenizer.ggml.merges"
        static let endOfText = "tokenizer.ggml.eos_token_id"
        static let beginOfText = "tokenizer.ggml.bos_token_id"
        static let padding = "tokenizer.ggml.padding_token_id"
        static let addBeginOfText = "tokenizer.ggml.add_bos_token"
        static let chatTemplate = "tokenizer.chat_template"
    }

    /// From `tokenizer.ggml.*` metadata of a GGUF file, or from the tokenizer files of a Hugging Face folder.
    package static func load(from file: ModelFile) throws(TokenizerError) -> Tokenizer {
        if file.isHuggingFaceFolder { return try load(folder: file.path) }
        return try load(metadata: file.metadata, path: file.path)
    }

    static func load(metadata: [String: MetadataValue], path: String) throws(TokenizerError) -> Tokenizer {
        var builder = TokenizerBuilder(path: path)
        try checkKind(metadata, builder)
        guard let tokens = metadata[Key.tokens]?.strings, let merges = metadata[Key.merges]?.strings else {
            throw builder.error("has no \(Key.tokens) and \(Key.merges)")
        }
        let types = metadata[Key.types]?.ints ?? [Int](repeating: 1, count: tokens.count)
        guard types.count == tokens.count else {
            throw builder.error("\(Key.types) has \(types.count) entries for \(tokens.count) tokens")
        }
        builder.reserve(tokenCount: tokens.count)
        for id in 0..<tokens.count {
            guard let kind = UInt8(exactly: types[id]).flatMap(Vocabulary.Kind.init) else {
                throw builder.error("\(Key.types) has the unknown type \(types[id]) for token \(id)")
            }
            try tokens.withBytes(id) { bytes throws(TokenizerError) in
                if kind == .normal {
                    try builder.addToken(id, alphabet: bytes.assumingMemoryBound(to: UInt8.self).span)
                } else {
                    try builder.addSpecial(id, kind: kind, content: bytes)
                }
            }
        }
        try builder.finishTokens(mergeCount: merges.count)
        for rank in 0..<merges.count {
            try merges.withBytes(rank) { bytes throws(TokenizerError) in
                try builder.addMerge(line: bytes.assumingMemoryBound(to: UInt8.self).span)
            }
        }
        return try builder.build(try properties(metadata, tokenCount: tokens.count, builder))
    }

    private static func checkKind(
        _ metadata: [String: MetadataValue],
        _ builder: TokenizerBuilder
    ) throws(TokenizerError) {
        let model = metadata[Key.model]?.string
        guard model == "gpt2" else {
            throw builder.error("\(Key.model) is \(model ?? "missing"); only gpt2 (byte-level BPE) is supported")
        }
        // Files from before llama.cpp wrote this key have none; for all architectures here it is qwen2.
        let isKnown = metadata["general.architecture"]?.string.flatMap(ModelArchitecture.init) != nil
        let pre = metadata[Key.pre]?.string ?? (isKnown ? "qwen2" : nil)
        guard pre == "qwen2" else {
            throw builder.error("\(Key.pre) is \(pre ?? "missing"); only qwen2 is supported")
        }
    }

    private static func properties(
        _ metadata: [String: MetadataValue],
        tokenCount: Int,
        _ builder: TokenizerBuilder
    ) throws(TokenizerError) -> Properties {
        func id(_ key: String) throws(TokenizerError) -> TokenID? {
            guard let value = metadata[key] else { return nil }
            guard let id = value.int, (0..<tokenCount).contains(id) else {
                throw builder.error("\(key) is not the id of a token")
            }
            return TokenID(id)
        }
        return Properties(
            endOfText: try id(Key.endOfText),
            beginOfText: try id(Key.beginOfText),
            padding: try id(Key.padding),
            chatTemplate: metadata[Key.chatTemplate]?.string
        )
    }

    /// The `tokenizer.*` metadata of a GGUF file with this tokenizer, in file order.
    package var ggufMetadata: [(String, MetadataValue)] { ggufMetadata(vocabularySize: count) }

    /// The same with ids without a token up to `vocabularySize` (rows of the output matrix) filled, as other readers expect.
    package func ggufMetadata(vocabularySize: Int) -> [(String, MetadataValue)] {
        let ids = 0..<TokenID(max(count, vocabularySize))
        let types = ids.map { Int32(vocabulary.kind($0).rawValue) }
        var result: [(String, MetadataValue)] = [
            (Key.model, .string("gpt2")), (Key.pre, .string("qwen2")),
            (Key.tokens, .array(MetadataArray(ids.map(ggufToken)))), (Key.types, .array(MetadataArray(types))),
            (Key.merges, .array(MetadataArray(ggufMerges))),
        ]
        let properties = [
            (Key.endOfText, properties.endOfText), (Key.padding, properties.padding),
            (Key.beginOfText, properties.beginOfText),
        ]
        for (key, id) in properties { if let id { result.append((key, .uint32(UInt32(id)))) } }
        result.append((Key.addBeginOfText, .bool(false)))
        if let template = self.properties.chatTemplate { result.append((Key.chatTemplate, .string(template))) }
        return result
    }

    private func ggufToken(_ id: TokenID) -> [UInt8] {
        switch vocabulary.kind(id) {
        case .normal: alphabet(id)
        case .unused: Array("[PAD\(id)]".utf8)
        case .control, .userDefined, .unknown, .byte: Array(vocabulary.content(id))
        }
    }

    private var ggufMerges: [[UInt8]] {
        merges.pairs.compactMap { $0 }.map { alphabet($0.left) + [0x20] + alphabet($0.right) }
    }

    private func alphabet(_ id: TokenID) -> [UInt8] {
        var text: [UInt8] = []
        ByteAlphabet.encode(vocabulary.content(id).span, into: &text)
        return text
    }
}
