import CKernels

/// A weight matrix in the kernels' own layout. The model's code passes it on and never looks inside.
struct PackedMatrix {
    let packed: ck_matrix  // (outputs, inputs)

    /// Whether its kernel reads the quantised side of the activations.
    var takesQuantizedInput: Bool { packed.type == UInt32(CK_Q8_0) || packed.type == UInt32(CK_Q4_0) }
}

/// F32 values, zero from the tensor's end to the next multiple of 32.
typealias PaddedVector = UnsafePointer<Float>

/// One decoder layer, with Hugging Face's names.
struct LayerWeights {
    let inputLayernorm: PaddedVector  // (hidden)
    let qProj: PackedMatrix  // (heads * headDim, hidden)
    let qBias: PaddedVector?  // (heads * headDim); none in Qwen3, as of k and v
    let qNorm: PaddedVector?  // (headDim); in Qwen3 only, as kNorm
    let kProj: PackedMatrix  // (kvHeads * headDim, hidden)
    let kBias: PaddedVector?  // (kvHeads * headDim)
    let kNorm: PaddedVector?  // (headDim)
    let vProj: PackedMatrix  // (kvHeads * headDim, hidden)
    let vBias: PaddedVector?  // (kvHeads * headDim)
    let oProj: PackedMatrix  // (hidden, heads * headDim)
    let postAttentionLayernorm: PaddedVector  // (hidden)
    let gateProj: PackedMatrix  // (intermediate, hidden)
    let upProj: PackedMatrix  // (intermediate, hidden)
    let downProj: PackedMatrix  // (hidden, intermediate)

    /// Of q, k and v, which share their input.
    var attentionTakesQuantizedInput: Bool {
        qProj.takesQuantizedInput || kProj.takesQuantizedInput || vProj.takesQuantizedInput
    }
    var mlpTakesQuantizedInput: Bool { gateProj.takesQuantizedInput || upProj.takesQuantizedInput }
}

/// All weights of a model, in memory that lives as long as this does.
///
/// `@unchecked Sendable`: nothing is written after loading.
struct Weights: @unchecked Sendable {
    let embedTokens: PackedMatrix  // (vocabulary, hidden)
    let layers: [LayerWeights]
    let norm: PaddedVector  // (hidden)
    let lmHead: PackedMatrix  // (vocabulary, hidden); the embedding where tied
    let coarseHead: ck_coarse?  // of lmHead; nil unless asked for
    let memory: MemoryRegion
}
