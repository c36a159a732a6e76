/// Metadata that every file written here has, in the order of llama.cpp's converter.
enum ModelMetadata {
    /// ggml's `GGML_QNT_VERSION`: the meaning of the block formats.
    private static let quantizationVersion: UInt32 = 2

    /// What a file says of itself: a copy in another type has its own.
    static let keysOfAFile = ["general.file_type", "general.quantization_version", "general.alignment"]

    /// - Parameters:
    ///   - model: `general.*` and the architecture's own of the model.
    ///   - tokenizer: `tokenizer.*`, with a token for each row: llama.cpp takes their number for the embedding's rows.
    ///   - rows: of the embedding.
    ///   - path: the file that the message names when tokens and rows differ.
    static func assemble(
        model: [(String, MetadataValue)],
        type: TensorType,
        tokenizer: [(String, MetadataValue)],
        rows: Int,
        path: String
    ) throws(ModelFileError) -> [(String, MetadataValue)] {
        let tokens = tokenizer.first { $0.0 == "tokenizer.ggml.tokens" }?.1.strings?.count ?? 0
        guard tokens == rows else {
            throw ModelFileError(
                path: path,
                reason:
                    "the tokenizer has \(tokens) tokens, but the embedding \(rows) rows: they do not belong together"
            )
        }
        let version: [(String, MetadataValue)] = [("general.quantization_version", .uint32(quantizationVersion))]
        let fileType = type.fileType.map { [("general.file_type", MetadataValue.uint32($0))] } ?? []
        return model + fileType + version + tokenizer
    }
}
