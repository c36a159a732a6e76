/// Metadata that every file written here has, in the order of llama.cpp's converter.
enum ModelMetadata {
    /// ggml's `GGML_QNT_VERSION`: the meaning of the block formats.
    private static let quantizationVersion: UInt32 = 2
    /// llama.cpp's `LLAMA_TOKEN_TYPE_UNUSED`.
    private static let unusedToken: Int32 = 5

    /// - Parameters:
    ///   - model: `general.*` and `qwen2.*` of the model.
    ///   - tokenizer: `tokenizer.*`, with as many tokens as the tokenizer has.
    ///   - rows: of the embedding.
    ///   - path: the file that the message names when there are more tokens than rows.
    static func assemble(
        model: [(String, MetadataValue)],
        type: TensorType,
        tokenizer: [(String, MetadataValue)],
        rows: Int,
        path: String
    ) throws(ModelFileError) -> [(String, MetadataValue)] {
        let file: [(String, MetadataValue)] = [
            ("general.file_type", .uint32(type.fileType)),
            ("general.quantization_version", .uint32(quantizationVersion)),
        ]
        return model + file + (try padded(tokenizer, rows: rows, path: path))
    }

    /// llama.cpp takes the number of tokens for the embedding's rows, so rows without a token get `[PAD<id>]`, marked unused.
    private static func padded(
        _ entries: [(String, MetadataValue)],
        rows: Int,
        path: String
    ) throws(ModelFileError) -> [(String, MetadataValue)] {
        let key = "tokenizer.ggml.tokens"
        guard let tokens = entries.first(where: { $0.0 == key })?.1.strings else { return entries }
        guard tokens.count <= rows else {
            throw ModelFileError(
                path: path,
                reason:
                    "the tokenizer has \(tokens.count) tokens, but the embedding only \(rows) rows: they do not belong together"
            )
        }
        guard tokens.count < rows else { return entries }
        return entries.map { entry in
            switch entry.0 {
            case key:
                let padding = (tokens.count..<rows).map { Array("[PAD\($0)]".utf8) }
                return (key, .array(MetadataArray((0..<tokens.count).map { tokens[$0] } + padding)))
            case "tokenizer.ggml.token_type":
                guard let types = entry.1.ints, types.count == tokens.count else { return entry }
                let padding = [Int32](repeating: unusedToken, count: rows - tokens.count)
                return (entry.0, .array(MetadataArray(types.map { Int32(truncatingIfNeeded: $0) } + padding)))
            default:
                return entry
            }
        }
    }
}
