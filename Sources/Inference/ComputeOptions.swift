import CKernels
package import ModelFiles

/// A set of kernels. Results are the same bit for bit in all sets but `generic`, which is one of them only where the
/// compiler may assume fused multiply-add, as on 64-bit ARM.
package enum InstructionSet: String, Sendable, CaseIterable {
    /// Portable C.
    case generic
    /// AVX2, FMA and F16C.
    case avx2
    /// AVX-512 with VNNI.
    case avx512
    /// NEON of Armv8.0, which every 64-bit ARM has.
    case neon

    /// The fastest that this processor has.
    package static var best: Self { [.avx512, .avx2, .neon].first { $0.kernels != nil } ?? .generic }

    /// nil where the processor lacks it.
    var kernels: UnsafePointer<ck_kernels>? {
        switch self {
        case .generic: ck_kernels_generic()
        case .avx2: ck_kernels_avx2()
        case .avx512: ck_kernels_avx512()
        case .neon: ck_kernels_neon()
        }
    }
}

/// How the KV cache stores keys and values.
package enum KVPrecision: String, Sendable, CaseIterable {
    case f16, f32
    /// With a scale for each token and head.
    case int8

    /// As in `kernels.h`.
    var type: UInt32 {
        switch self {
        case .f16: UInt32(CK_F16)
        case .f32: UInt32(CK_F32)
        case .int8: UInt32(CK_I8)
        }
    }

    /// Bytes of the keys and values of one layer's block.
    func bytes(ofBlock configuration: ModelConfiguration) -> Int {
        let dimension = configuration.headDimension
        return configuration.kvHeadCount * ck_head_block(type, dimension, roundUp(dimension, to: 16))
    }
}

/// What a `ComputeContext` is made for; all of its memory follows from these.
package struct ComputeOptions: Sendable {
    /// Compute threads, the calling one included; 1 to 256.
    package var threads: Int
    /// Blocks of 32 tokens in the KV cache, shared by all sequences.
    package var kvBlocks: Int
    /// Sequence slots, and the most outputs of one forward pass.
    package var maxSequences: Int
    /// Outputs of one forward pass whose whole logits are wanted; nil: all. Those of some tokens may be had of every output.
    package var maxLogits: Int?
    /// The most rows of one forward pass.
    package var maxBatchRows: Int
    /// nil: the best one.
    package var instructionSet: InstructionSet?
    /// nil: F32 for a model whose weights are F32, else F16.
    package var kvPrecision: KVPrecision?

    package init(
        threads: Int = ComputeOptions.onlineProcessors,
        kvBlocks: Int = 64,
        maxSequences: Int = 4,
        maxBatchRows: Int = 64,
        instructionSet: InstructionSet? = nil,
        kvPrecision: KVPrecision? = nil
    ) {
        self.threads = threads
        self.kvBlocks = kvBlocks
        self.maxSequences = maxSequences
        self.maxBatchRows = maxBatchRows
        self.instructionSet = instructionSet
        self.kvPrecision = kvPrecision
    }

    package static var onlineProcessors: Int { ThreadPool.onlineProcessors }

    /// Throws for sizes out of bounds.
    func check() throws(ModelError) {
        let bounds = [
            ("kvBlocks", kvBlocks, 1 << 24), ("maxSequences", maxSequences, 1 << 12),
            ("maxBatchRows", maxBatchRows, 1 << 12),
        ]
        for (name, value, limit) in bounds where !(1...limit).contains(value) {
            throw ModelError(reason: "\(name) is \(value); it must be 1 to \(limit)")
        }
    }
}

/// One token of a forward pass.
package struct BatchRow: Sendable {
    package var token: TokenID
    /// From 0 in its sequence.
    package var position: Int32
    /// Slot, 0..<maxSequences.
    package var sequence: Int32

    package init(token: TokenID, position: Int32, sequence: Int32) {
        self.token = token
        self.position = position
        self.sequence = sequence
    }
}
