import FoundationEssentials

/// A Hugging Face `config.json` of a Qwen model, in the spelling of any release of transformers so far.
struct HuggingFaceConfig {
    let dimensions: ModelDimensions
    /// Which no tokenizer file of Qwen names.
    let beginOfTextToken: UInt32?

    init(json: UnsafeRawBufferPointer, path: String) throws(ModelFileError) {
        let raw: Raw
        do {
            raw = try JSONDecoder().decode(Raw.self, from: Data(json))
        } catch {
            throw ModelFileError(path: path, reason: "is no usable config.json: \(jsonReason(error))")
        }
        guard let architecture = raw.architecture else {
            let family = printable(raw.modelType ?? raw.architectures?.first ?? "unknown")
            throw ModelFileError(path: path, reason: "the architecture is \(family); \(ModelArchitecture.supported)")
        }
        if let reason = raw.unsupported(architecture) { throw ModelFileError(path: path, reason: reason) }
        guard let headDimension = raw.headDimension(architecture) else {
            throw ModelFileError(path: path, reason: "hidden_size is not a multiple of num_attention_heads")
        }
        dimensions = ModelDimensions(
            architecture: architecture,
            layerCount: raw.layerCount,
            hiddenSize: raw.hiddenSize,
            intermediateSize: raw.intermediateSize,
            headCount: raw.headCount,
            kvHeadCount: raw.kvHeadCount ?? raw.headCount,
            headDimension: headDimension,
            vocabularyCount: raw.vocabularyCount,
            contextLength: raw.contextTokens,
            ropeTheta: raw.ropeParameters?.theta ?? raw.ropeTheta ?? 10_000,
            rmsNormEpsilon: raw.rmsNormEpsilon ?? 1e-6,
            tiesEmbeddings: raw.tiesEmbeddings ?? false
        )
        beginOfTextToken = raw.beginOfTextToken
        if let problem = dimensions.problem { throw ModelFileError(path: path, reason: problem) }
    }
}

extension HuggingFaceConfig {
    /// The keys as they stand. Absent optional ones have the defaults of transformers' `Qwen2Config` and `Qwen3Config`.
    private struct Raw: Decodable {
        let modelType: String?
        let architectures: [String]?
        let layerCount: Int
        let hiddenSize: Int
        let intermediateSize: Int
        let headCount: Int
        let kvHeadCount: Int?
        let explicitHeadDimension: Int?
        let attentionBias: Bool?
        let vocabularyCount: Int
        let contextLength: Int?
        let ropeTheta: Double?
        let ropeParameters: RopeParameters?
        let ropeScaling: AnyObjectPresence?
        let rmsNormEpsilon: Double?
        let tiesEmbeddings: Bool?
        let activation: String?
        let usesSlidingWindow: Bool?
        let slidingWindow: Int?
        let layerTypes: [String]?
        let beginOfTextToken: UInt32?

        private enum CodingKeys: String, CodingKey {
            case modelType = "model_type"
            case architectures
            case layerCount = "num_hidden_layers"
            case hiddenSize = "hidden_size"
            case intermediateSize = "intermediate_size"
            case headCount = "num_attention_heads"
            case kvHeadCount = "num_key_value_heads"
            case explicitHeadDimension = "head_dim"
            case attentionBias = "attention_bias"
            case vocabularyCount = "vocab_size"
            case contextLength = "max_position_embeddings"
            case ropeTheta = "rope_theta"
            case ropeParameters = "rope_parameters"
            case ropeScaling = "rope_scaling"
            case rmsNormEpsilon = "rms_norm_eps"
            case tiesEmbeddings = "tie_word_embeddings"
            case activation = "hidden_act"
            case usesSlidingWindow = "use_sliding_window"
            case slidingWindow = "sliding_window"
            case layerTypes = "layer_types"
            case beginOfTextToken = "bos_token_id"
        }

        var architecture: ModelArchitecture? {
            if let modelType { return ModelArchitecture(rawValue: modelType) }
            return ModelArchitecture.allCases.first { architectures == [$0.className] }
        }

        /// Of one attention head; nil when it does not follow from the other sizes.
        func headDimension(_ architecture: ModelArchitecture) -> Int? {
            if let explicitHeadDimension { return explicitHeadDimension }
            if architecture == .qwen3 { return 128 }
            guard headCount > 0, hiddenSize % headCount == 0 else { return nil }
            return hiddenSize / headCount
        }

        var contextTokens: Int { contextLength ?? 32_768 }

        /// What the model asks for that the engine does not do; nil when nothing.
        func unsupported(_ architecture: ModelArchitecture) -> String? {
            if architecture == .qwen3, attentionBias == true { return "attention_bias true is not supported" }
            if let activation, activation != "silu" {
                return "hidden_act \(printable(activation)) is not supported, only silu"
            }
            // One that no position of the context reaches beyond changes nothing.
            var attention = ["full_attention"]
            if usesSlidingWindow == true {
                let window = slidingWindow ?? 4_096
                guard window >= contextTokens else {
                    return "use_sliding_window is true with a sliding_window of \(window), less than the context of "
                        + "\(contextTokens) tokens; sliding windows are not supported"
                }
                attention.append("sliding_attention")
            }
            if let other = layerTypes?.first(where: { !attention.contains($0) }) {
                return "layer type \(printable(other)) is not supported, only full_attention"
            }
            if ropeScaling != nil { return "rope_scaling is not supported; it must be null" }
            if let type = ropeParameters?.type, type != "default" {
                return "rope_parameters with rope_type \(printable(type)) are not supported, only default"
            }
            return nil
        }
    }

    private struct RopeParameters: Decodable {
        let theta: Double?
        let type: String?

        private enum CodingKeys: String, CodingKey {
            case theta = "rope_theta"
            case type = "rope_type"
        }
    }

    /// A value that is there and not null, whatever it is.
    private struct AnyObjectPresence: Decodable {
        init(from decoder: any Decoder) throws {}
    }
}
