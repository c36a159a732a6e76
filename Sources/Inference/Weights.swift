import CKernels

/// A weight matrix in the kernels' own layout. The model's code passes it on and never looks inside.
struct PackedMatrix {
    let packed: ck_matrix  // (outputs, inputs)

    /// The largest magnitude of quantised inputs that its kernel takes; 0 where it reads the F32 side of the activations.
    var inputLimit: Int32 { ck_input_limit(packed.type) }
}

/// F32 values, zero from the tensor's end to the next multiple of 32.
typealias PaddedVector = UnsafePointer<Float>

/// One decoder layer, with Hugging Face's names.
struct LayerWeights {
    let inputLayernorm: PaddedVector  // (hidden)
    let qProj: PackedMatrix  // (heads * headDim, hidden)
    let qBias: PaddedVector  // (heads * headDim)
    let kProj: PackedMatrix  // (kvHeads * headDim, hidden)
    let kBias: PaddedVector  // (kvHeads * headDim)
    let vProj: PackedMatrix  // (kvHeads * headDim, hidden)
    let vBias: PaddedVector  // (kvHeads * headDim)
    let oProj: PackedMatrix  // (hidden, heads * headDim)
    let postAttentionLayernorm: PaddedVector  // (hidden)
    let gateProj: PackedMatrix  // (intermediate, hidden)
    let upProj: PackedMatrix  // (intermediate, hidden)
    let downProj: PackedMatrix  // (hidden, intermediate)

    /// Of q, k and v, which share their input.
    var attentionInputLimit: Int32 { Self.shared(qProj, kProj, vProj) }
    /// Of gate and up, which share theirs.
    var mlpInputLimit: Int32 { Self.shared(gateProj, upProj) }

    /// The limit that suits every matrix of mixed types: the smallest that is not 0.
    private static func shared(_ matrices: PackedMatrix...) -> Int32 {
        matrices.map(\.inputLimit).filter { $0 > 0 }.min() ?? 0
    }
}

/// All weights of a model, in memory that lives as long as this does.
///
/// `@unchecked Sendable`: nothing is written after loading.
struct Weights: @unchecked Sendable {
    let embedTokens: PackedMatrix  // (vocabulary, hidden)
    let layers: [LayerWeights]
    let norm: PaddedVector  // (hidden)
    let lmHead: PackedMatrix  // (vocabulary, hidden); the embedding where tied
    let memory: MemoryRegion
}
