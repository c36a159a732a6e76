/// Writes a model with random weights: speed does not depend on their values, so benchmarks need no trained ones.
package enum Synthesizer {
    /// The deviation of Hugging Face's initialisation (`initializer_range`); activations stay sane.
    private static let deviation: Float = 0.02

    /// The same arguments give the same bytes. Streams: memory does not grow with the model.
    ///
    /// - Parameters:
    ///   - name: of the model, for its metadata.
    ///   - tokenizer: the `tokenizer.*` metadata, with a token (if only an unused one) for each row of the embedding.
    package static func synthesize(
        _ dimensions: ModelDimensions,
        name: String,
        type: TensorType,
        seed: UInt64,
        tokenizer: [(String, MetadataValue)],
        to path: String
    ) throws(ModelFileError) {
        let general: [(String, MetadataValue)] = [
            ("general.architecture", .string(dimensions.architecture.rawValue)),
            ("general.name", .string(name)),
        ]
        var writer = GGUFWriter()
        writer.add(
            try ModelMetadata.assemble(
                model: general + dimensions.metadata,
                type: type,
                tokenizer: tokenizer,
                rows: dimensions.vocabularyCount,
                path: path
            )
        )
        for (index, slot) in dimensions.tensors.enumerated() {
            add(slot, type: type, RandomNumbers(seed: seed, stream: UInt64(index)), to: &writer, path)
        }
        try writer.write(to: path)
    }

    private static func add(
        _ slot: TensorSlot,
        type: TensorType,
        _ numbers: RandomNumbers,
        to writer: inout GGUFWriter,
        _ path: String
    ) {
        let stored = slot.isVector ? .f32 : type
        let mean: Float = slot.name.hasSuffix("norm.weight") ? 1 : 0
        writer.addTensor(slot.name, stored, slot.shape) { sink throws(ModelFileError) in
            var numbers = numbers
            var encoder = RowEncoder(type: stored, tensor: slot.name, path: path)
            let total = slot.shape.reduce(1, *)
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: min(RowEncoder.chunk, total))
            defer { values.deallocate() }
            for start in stride(from: 0, to: total, by: RowEncoder.chunk) {
                let part = UnsafeMutableBufferPointer(rebasing: values[..<min(RowEncoder.chunk, total - start)])
                numbers.fill(part, mean: mean, deviation: deviation)
                try encoder.encode(UnsafeBufferPointer(part), into: sink)
            }
        }
    }
}
