/// The sizes of a Qwen model, and what follows from them: metadata and the tensors a file must hold.
package struct ModelDimensions: Sendable, Equatable {
    package var architecture = ModelArchitecture.qwen2
    package var layerCount: Int
    package var hiddenSize: Int
    package var intermediateSize: Int
    package var headCount: Int
    package var kvHeadCount: Int
    package var headDimension: Int
    /// Rows of the embedding, which may exceed the tokenizer's tokens.
    package var vocabularyCount: Int
    package var contextLength: Int
    package var ropeTheta: Double
    package var rmsNormEpsilon: Double
    /// Whether the output matrix is the embedding.
    package var tiesEmbeddings: Bool

    /// No dimension is larger; products of three stay far inside Int.
    static let sizeLimit = 1 << 20
    static let layerLimit = 1_024
    static let vocabularyLimit = 1 << 24

    /// GGUF metadata in the order in which llama.cpp's converter writes it, without file type and tokenizer.
    package var metadata: [(String, MetadataValue)] {
        func key(_ name: String) -> String { "\(architecture.rawValue).\(name)" }
        func count(_ value: Int) -> MetadataValue { .uint32(UInt32(clamping: value)) }
        var entries: [(String, MetadataValue)] = [
            (key("block_count"), count(layerCount)),
            (key("context_length"), count(contextLength)),
            (key("embedding_length"), count(hiddenSize)),
            (key("feed_forward_length"), count(intermediateSize)),
            (key("attention.head_count"), count(headCount)),
            (key("attention.head_count_kv"), count(kvHeadCount)),
            (key("rope.freq_base"), .float32(Float(ropeTheta))),
            (key("attention.layer_norm_rms_epsilon"), .float32(Float(rmsNormEpsilon))),
        ]
        if architecture == .qwen3 || headDimension * headCount != hiddenSize {
            entries.append((key("attention.key_length"), count(headDimension)))
            entries.append((key("attention.value_length"), count(headDimension)))
        }
        return entries
    }

    /// Why the sizes make no model; nil when they do.
    var problem: String? {
        let sizes = [
            ("num_hidden_layers", layerCount), ("hidden_size", hiddenSize), ("intermediate_size", intermediateSize),
            ("num_attention_heads", headCount), ("num_key_value_heads", kvHeadCount), ("head_dim", headDimension),
        ]
        for (name, size) in sizes where !(1...Self.sizeLimit).contains(size) {
            return "\(name) is \(size); it must be 1 to \(Self.sizeLimit)"
        }
        guard layerCount <= Self.layerLimit else {
            return "num_hidden_layers is \(layerCount); the limit is \(Self.layerLimit)"
        }
        guard (1...Self.vocabularyLimit).contains(vocabularyCount) else { return "vocab_size is \(vocabularyCount)" }
        guard (1...Int(Int32.max)).contains(contextLength) else { return "max_position_embeddings is \(contextLength)" }
        guard headCount % kvHeadCount == 0 else {
            return "\(headCount) heads cannot share \(kvHeadCount) KV heads evenly"
        }
        guard headDimension % 2 == 0 else { return "head_dim \(headDimension) is odd; RoPE needs pairs" }
        guard ropeTheta.isFinite, ropeTheta > 0 else { return "rope_theta is \(ropeTheta)" }
        guard rmsNormEpsilon.isFinite, rmsNormEpsilon > 0 else { return "rms_norm_eps is \(rmsNormEpsilon)" }
        return nil
    }
}

/// A tensor that a Qwen model has: its names in both worlds and its shape.
package struct TensorSlot: Sendable, Equatable {
    /// llama.cpp's name, as GGUF files have it.
    package let name: String
    package let huggingFaceName: String
    /// Outermost first.
    package let shape: [Int]

    /// Norm weights and biases, which stay F32 in every file.
    package var isVector: Bool { shape.count == 1 }
}

extension ModelDimensions {
    /// Every tensor of the model in file order; the output matrix only when it is not tied.
    package var tensors: [TensorSlot] {
        var slots = [
            TensorSlot(
                name: "token_embd.weight",
                huggingFaceName: "model.embed_tokens.weight",
                shape: [vocabularyCount, hiddenSize]
            )
        ]
        for layer in 0..<layerCount { slots += tensors(ofLayer: layer) }
        slots.append(TensorSlot(name: "output_norm.weight", huggingFaceName: "model.norm.weight", shape: [hiddenSize]))
        if !tiesEmbeddings {
            slots.append(
                TensorSlot(
                    name: "output.weight",
                    huggingFaceName: "lm_head.weight",
                    shape: [vocabularyCount, hiddenSize]
                )
            )
        }
        return slots
    }

    private func tensors(ofLayer layer: Int) -> [TensorSlot] {
        let query = headCount * headDimension
        let keyValue = kvHeadCount * headDimension
        let parts: [(String, String, [Int])?] = [
            ("attn_norm.weight", "input_layernorm.weight", [hiddenSize]),
            ("attn_q.weight", "self_attn.q_proj.weight", [query, hiddenSize]),
            architecture.hasAttentionBias ? ("attn_q.bias", "self_attn.q_proj.bias", [query]) : nil,
            architecture.hasHeadNorms ? ("attn_q_norm.weight", "self_attn.q_norm.weight", [headDimension]) : nil,
            ("attn_k.weight", "self_attn.k_proj.weight", [keyValue, hiddenSize]),
            architecture.hasAttentionBias ? ("attn_k.bias", "self_attn.k_proj.bias", [keyValue]) : nil,
            architecture.hasHeadNorms ? ("attn_k_norm.weight", "self_attn.k_norm.weight", [headDimension]) : nil,
            ("attn_v.weight", "self_attn.v_proj.weight", [keyValue, hiddenSize]),
            architecture.hasAttentionBias ? ("attn_v.bias", "self_attn.v_proj.bias", [keyValue]) : nil,
            ("attn_output.weight", "self_attn.o_proj.weight", [hiddenSize, query]),
            ("ffn_norm.weight", "post_attention_layernorm.weight", [hiddenSize]),
            ("ffn_gate.weight", "mlp.gate_proj.weight", [intermediateSize, hiddenSize]),
            ("ffn_up.weight", "mlp.up_proj.weight", [intermediateSize, hiddenSize]),
            ("ffn_down.weight", "mlp.down_proj.weight", [hiddenSize, intermediateSize]),
        ]
        return parts.compactMap { $0 }.map { name, huggingFace, shape in
            TensorSlot(
                name: "blk.\(layer).\(name)",
                huggingFaceName: "model.layers.\(layer).\(huggingFace)",
                shape: shape
            )
        }
    }
}
