package import ModelFiles

/// The sizes of a Qwen model, as its metadata and tensors state them.
package struct ModelConfiguration: Sendable, Equatable {
    package let architecture: ModelArchitecture
    package let layerCount: Int
    package let hiddenSize: Int
    package let intermediateSize: Int
    package let headCount: Int
    /// Divides `headCount`; equal to it without grouped queries (GQA).
    package let kvHeadCount: Int
    /// Even, at most 256.
    package let headDimension: Int
    /// Rows of the output matrix; may exceed the tokenizer's tokens.
    package let vocabularyCount: Int
    /// Tokens the model was made for.
    package let contextLength: Int
    package let ropeTheta: Float
    package let rmsNormEpsilon: Float
    /// Whether the output matrix is the embedding.
    package let tiesEmbeddings: Bool

    var querySize: Int { headCount * headDimension }
    var kvSize: Int { kvHeadCount * headDimension }
}

extension ModelConfiguration {
    /// Reads GGUF's keys (`qwen2.block_count`, …) and the shape of `token_embd.weight`; checks every size.
    package init(
        metadata: [String: MetadataValue],
        tensors: [String: TensorView],
        path: String
    ) throws(ModelError) {
        let keys = MetadataReader(metadata: metadata, path: path)
        let name = try keys.string("general.architecture")
        guard let architecture = ModelArchitecture(rawValue: name) else {
            throw ModelError.key("general.architecture", in: path, "is '\(name)'; \(ModelArchitecture.supported)")
        }
        self.architecture = architecture
        let family = architecture.rawValue
        if let scaling = metadata["\(family).rope.scaling.type"]?.string, scaling != "none" {
            throw ModelError.key("\(family).rope.scaling.type", in: path, "is '\(scaling)'; only none is supported")
        }
        layerCount = try keys.count("\(family).block_count", limit: 1024)
        hiddenSize = try keys.count("\(family).embedding_length", limit: 1 << 16)
        intermediateSize = try keys.count("\(family).feed_forward_length", limit: 1 << 18)
        headCount = try keys.count("\(family).attention.head_count", limit: 1024)
        kvHeadCount = try keys.count("\(family).attention.head_count_kv", limit: 1024, default: headCount)
        contextLength = try keys.count("\(family).context_length", limit: 1 << 24)
        try Self.refuseWindow(keys, family, contextLength: contextLength)
        ropeTheta = try keys.positive("\(family).rope.freq_base", default: 10_000)
        rmsNormEpsilon = try keys.positive("\(family).attention.layer_norm_rms_epsilon", default: nil)
        guard headCount % kvHeadCount == 0 else {
            throw ModelError.key(
                "\(family).attention.head_count_kv",
                in: path,
                "is \(kvHeadCount); it must divide the \(headCount) heads"
            )
        }
        headDimension = try Self.headDimension(keys, family, hiddenSize: hiddenSize, headCount: headCount)
        tiesEmbeddings = tensors["output.weight"] == nil
        vocabularyCount = try Self.vocabularyCount(metadata, tensors, path)
    }

    /// A sliding window that no position of the context reaches beyond changes nothing; 0 stands for none.
    private static func refuseWindow(
        _ keys: MetadataReader,
        _ family: String,
        contextLength: Int
    ) throws(ModelError) {
        let key = "\(family).attention.sliding_window"
        guard let value = keys.metadata[key] else { return }
        guard let window = value.int else { throw ModelError.key(key, in: keys.path, "is not an integer") }
        guard window == 0 || window >= contextLength else {
            throw ModelError.key(
                key,
                in: keys.path,
                "is \(window), less than the context of \(contextLength) tokens; sliding windows are not supported"
            )
        }
    }

    private static func headDimension(
        _ keys: MetadataReader,
        _ family: String,
        hiddenSize: Int,
        headCount: Int
    ) throws(ModelError) -> Int {
        let key = "\(family).attention.key_length"
        if keys.metadata[key] == nil, hiddenSize % headCount != 0 {
            throw ModelError.key(
                "\(family).attention.head_count",
                in: keys.path,
                "is \(headCount); it must divide the hidden size \(hiddenSize)"
            )
        }
        let dimension = try keys.count(key, limit: 1 << 16, default: hiddenSize / headCount)
        guard dimension % 2 == 0, (2...256).contains(dimension) else {
            throw ModelError.key(key, in: keys.path, "the head size is \(dimension); it must be even and at most 256")
        }
        let values = try keys.count("\(family).attention.value_length", limit: 1 << 16, default: dimension)
        guard values == dimension else {
            throw ModelError.key(
                "\(family).attention.value_length",
                in: keys.path,
                "is \(values), unlike keys' \(dimension)"
            )
        }
        return dimension
    }

    private static func vocabularyCount(
        _ metadata: [String: MetadataValue],
        _ tensors: [String: TensorView],
        _ path: String
    ) throws(ModelError) -> Int {
        let name = "token_embd.weight"
        guard let embedding = tensors[name] else { throw ModelError.tensor(name, in: path, "is missing") }
        guard embedding.shape.count == 2, let rows = embedding.shape.first, (1...1 << 24).contains(rows) else {
            throw ModelError.tensor(name, in: path, "has shape \(embedding.shape); expected [vocabulary, hidden size]")
        }
        if let output = tensors["output.weight"], output.shape.first != rows {
            throw ModelError.tensor(
                "output.weight",
                in: path,
                "has shape \(output.shape); the embedding has \(rows) rows"
            )
        }
        if let tokens = metadata["tokenizer.ggml.tokens"]?.strings?.count, tokens > rows {
            throw ModelError.key(
                "tokenizer.ggml.tokens",
                in: path,
                "has \(tokens) tokens; the embedding has only \(rows) rows"
            )
        }
        return rows
    }
}

/// Checked access to metadata.
private struct MetadataReader {
    let metadata: [String: MetadataValue]
    let path: String

    func string(_ key: String) throws(ModelError) -> String {
        guard let value = metadata[key]?.string else {
            throw ModelError.key(key, in: path, "is missing or not a string")
        }
        return value
    }

    /// A size in 1...limit.
    func count(_ key: String, limit: Int, default absent: Int? = nil) throws(ModelError) -> Int {
        guard let value = metadata[key] else {
            if let absent { return absent }
            throw ModelError.key(key, in: path, "is missing")
        }
        guard let count = value.int else { throw ModelError.key(key, in: path, "is not an integer") }
        guard (1...limit).contains(count) else {
            throw ModelError.key(key, in: path, "is \(count); it must be 1 to \(limit)")
        }
        return count
    }

    func positive(_ key: String, default absent: Float?) throws(ModelError) -> Float {
        guard let value = metadata[key] else {
            if let absent { return absent }
            throw ModelError.key(key, in: path, "is missing")
        }
        guard let number = value.double, number > 0, Float(number).isFinite else {
            throw ModelError.key(key, in: path, "is not a positive number")
        }
        return Float(number)
    }
}
