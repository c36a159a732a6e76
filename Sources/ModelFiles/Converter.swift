/// Writes a Hugging Face folder, or a GGUF file anew, as one GGUF file that llama.cpp's converter would recognise as its own.
package enum Converter {
    /// Matrices become `type`; norm weights and biases stay F32. Values pass through F32. Holds one tensor's pages at a time.
    ///
    /// - Parameter tokenizer: the `tokenizer.*` metadata, with a token (if only an unused one) for each row of the embedding.
    package static func convert(
        _ source: ModelFile,
        type: TensorType,
        tokenizer: [(String, MetadataValue)],
        to path: String
    ) throws(ModelFileError) {
        let embedding = try source.tensor("token_embd.weight")
        // What the tokenizer's own files say goes before what config.json says of it.
        let model = source.metadataKeys
            .filter { key in !tokenizer.contains { $0.0 == key } && !ModelMetadata.keysOfAFile.contains(key) }
            .compactMap { key in source.metadata[key].map { (key, $0) } }
        var writer = GGUFWriter()
        writer.add(
            try ModelMetadata.assemble(
                model: model,
                type: type,
                tokenizer: tokenizer,
                rows: embedding.shape[0],
                path: source.path
            )
        )
        for name in source.tensorNames {
            let view = try source.tensor(name)
            let stored = view.shape.count == 1 ? .f32 : type
            writer.addTensor(name, stored, view.shape) { sink throws(ModelFileError) in
                var encoder = RowEncoder(type: stored, tensor: name, path: source.path)
                try encoder.encode(view, into: sink)
                source.releasePages(of: view)
            }
        }
        try writer.write(to: path)
    }
}
