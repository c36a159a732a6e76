import CKernels
package import ModelFiles

/// One mutable timeline over a model: KV cache, activations and compute threads. Owned by one thread; everything is
/// allocated and touched in `init`.
///
/// Results depend on a sequence's own tokens only: not on the batch, on chunks, threads or the blocks' order.
package final class ComputeContext {
    /// Tokens a KV block holds.
    package static let blockTokens = KVCache.blockTokens

    package let kvBlocks: Int
    /// KV cache and activations.
    package let memoryBytes: Int
    /// The kernels in use.
    package let instructionSet: InstructionSet
    package let maxSequences: Int
    package let maxBatchRows: Int
    /// How keys and values are stored.
    package var kvPrecision: KVPrecision { cache.precision }

    let model: Model
    let cache: KVCache
    let activations: Activations
    let frequencies: [Float]  // (headDim/2): RoPE's inverse frequencies
    let engine: ck_engine
    let rivalRoom: RivalRoom?  // of a coarse output matrix
    private let pool: ThreadPool

    package init(model: Model, options: ComputeOptions) throws(ModelError) {
        try options.check()
        instructionSet = options.instructionSet ?? .best
        guard let kernels = instructionSet.kernels else {
            throw ModelError(reason: "this processor lacks the instruction set \(instructionSet.rawValue)")
        }
        self.model = model
        kvBlocks = options.kvBlocks
        maxSequences = options.maxSequences
        maxBatchRows = options.maxBatchRows
        let precision = options.kvPrecision ?? Self.kvPrecision(ofWeights: model.weightType)
        pool = try ThreadPool(threads: options.threads)
        cache = try KVCache(
            model.configuration,
            precision,
            blocks: kvBlocks,
            maxSequences: maxSequences,
            pool: pool
        )
        activations = try Activations(model.configuration, options, pool: pool)
        memoryBytes = cache.memoryBytes + activations.memoryBytes
        frequencies = Self.inverseFrequencies(model.configuration)
        engine = ck_engine(kernels: kernels, pool: pool.raw)
        rivalRoom = model.hasCoarseOutput ? RivalRoom(vocabularyCount: model.configuration.vocabularyCount) : nil
    }

    /// F32 weights come with a cache of the same precision.
    package static func kvPrecision(ofWeights type: String) -> KVPrecision { type == TensorType.f32.name ? .f32 : .f16 }

    /// Block `b` of the sequence holds its positions 32b..<32b+32. Blocks may be shared by sequences.
    package func setBlockTable(sequence: Int, blocks: some Collection<Int32>) {
        cache.setTable(of: sequence, to: blocks)
    }

    /// Copies a block's keys and values of all layers.
    package func copyBlock(from: Int32, to: Int32) { cache.copyBlock(from: Int(from), to: Int(to)) }

    /// Logits of some tokens only, with the same bits as in the full ones.
    ///
    /// - Parameters:
    ///   - output: index into the last forward pass's `outputs`.
    ///   - logits: (tokens.count)
    package func computeLogits(
        output: Int,
        tokens: UnsafeBufferPointer<TokenID>,
        into logits: UnsafeMutablePointer<Float>
    ) {
        precondition(output >= 0 && output < maxSequences, "no such output")
        for token in tokens { checkToken(token) }
        withUnsafePointers { engine, final, lmHead in
            ck_project_some(engine, lmHead, tokens.baseAddress, tokens.count, final, output, logits)
        }
    }

    /// Full logits of several outputs, below `maxLogits`, in one pass over the output matrix; read them with
    /// `logits(output:)`.
    package func computeLogits(outputs: Range<Int>) {
        computeLogits(outputs: outputs, with: model.weights.lmHead.packed)
    }

    func computeLogits(outputs: Range<Int>, with matrix: ck_matrix) {
        precondition(outputs.lowerBound >= 0 && outputs.upperBound <= activations.logitRows, "no such output")
        withUnsafePointers { engine, final, _ in
            var projection = ck_projection(
                weights: matrix,
                bias: nil,
                out: activations.logits + outputs.lowerBound * activations.vocabularyStride,
                out_stride: activations.vocabularyStride,
                accumulate: false
            )
            ck_project(engine, &projection, nil, nil, final, outputs.lowerBound, outputs.count)
        }
    }

    /// (vocabularyCount); valid after `computeLogits(outputs:)` until the next forward pass.
    package func logits(output: Int) -> UnsafeBufferPointer<Float> {
        precondition(output >= 0 && output < activations.logitRows, "no such output")
        return UnsafeBufferPointer(
            start: activations.logits + output * activations.vocabularyStride,
            count: model.configuration.vocabularyCount
        )
    }

    func checkToken(_ token: TokenID) {
        precondition(token >= 0 && token < model.configuration.vocabularyCount, "token outside the vocabulary")
    }

    private func withUnsafePointers(
        _ body: (UnsafePointer<ck_engine>, UnsafePointer<ck_activations>, UnsafePointer<ck_matrix>) -> Void
    ) {
        var (engine, final, lmHead) = (engine, activations.final, model.weights.lmHead.packed)
        body(&engine, &final, &lmHead)
    }
}
