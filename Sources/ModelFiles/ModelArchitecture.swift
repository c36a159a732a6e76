/// The architectures that the engine runs. The raw value is GGUF's `general.architecture` and config.json's `model_type`.
package enum ModelArchitecture: String, Sendable, CaseIterable {
    /// Qwen1.5, Qwen2 and Qwen2.5: biases on q, k and v.
    case qwen2
    /// Qwen3: no biases, and an RMSNorm over each head of q and k before RoPE.
    case qwen3

    package var hasAttentionBias: Bool { self == .qwen2 }
    package var hasHeadNorms: Bool { self == .qwen3 }

    /// In `architectures` of config.json.
    var className: String { self == .qwen2 ? "Qwen2ForCausalLM" : "Qwen3ForCausalLM" }

    /// For messages.
    package static let supported = "only \(allCases.map(\.rawValue).joined(separator: " and ")) are supported"
}
