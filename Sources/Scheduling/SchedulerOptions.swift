package import Inference

/// Bounds of the scheduler; everything that grows with load is derived from them.
package struct SchedulerOptions: Sendable {
    /// Sequences in the batch at once.
    package var maxSequences = 16
    /// Slots beyond those that only labels take, so that they never wait for replies to end.
    package var labelSequences = 4
    /// Requests that may wait beyond those, labels and others each.
    package var queueLimit = 64
    /// Blocks of `ComputeContext.blockTokens` tokens in the KV arena.
    package var kvBlocks = 256
    /// Prompt rows a step while replies are being generated, so that they stay fluent.
    package var prefillChunk = 64
    /// Rows of one forward pass; at least maxSequences.
    package var maxBatchRows = 128
    /// Most tokens that one request may generate.
    package var maxNewTokens = 1024
    /// Looks for the token of greedy replies in a coarse copy of the output matrix first.
    package var coarseOutput = false
    package var threads = ComputeOptions.onlineProcessors
    /// nil: the best that the CPU has.
    package var instructionSet: InstructionSet?
    /// nil: F32 for a model whose weights are F32, else F16.
    package var kvPrecision: KVPrecision?

    package init() {}

    func validate() throws(SchedulerError) {
        let positive = [
            ("maxSequences", maxSequences), ("kvBlocks", kvBlocks), ("prefillChunk", prefillChunk),
            ("maxNewTokens", maxNewTokens), ("threads", threads),
        ]
        for (name, value) in positive where value < 1 {
            throw .invalidOptions("\(name) is \(value); it must be at least 1")
        }
        for (name, value) in [("queueLimit", queueLimit), ("labelSequences", labelSequences)] where value < 0 {
            throw .invalidOptions("\(name) is \(value); it must not be negative")
        }
        guard maxBatchRows >= slots else {
            throw .invalidOptions(
                "maxBatchRows is \(maxBatchRows); it must be at least \(slots), one for each sequence"
            )
        }
    }
}

extension SchedulerOptions {
    /// Sequences in the batch at most.
    package var slots: Int { maxSequences + labelSequences }

    /// Requests of the lane that may wait and run at once.
    func capacity(of lane: Lane) -> Int { queueLimit + (lane == .label ? slots : maxSequences) }

    /// Requests that may wait and run at once.
    package var mostRequests: Int { Lane.allCases.reduce(0) { $0 + capacity(of: $1) } }

    /// KV blocks that only labels take: their texts are short, some 200 tokens.
    var labelBlocks: Int { min(6 * labelSequences, kvBlocks / 8) }

    var computeOptions: ComputeOptions {
        var result = ComputeOptions()
        result.threads = threads
        result.kvBlocks = kvBlocks
        result.maxSequences = slots
        result.maxLogits = maxSequences  // the other slots are for labels
        result.maxBatchRows = maxBatchRows
        result.instructionSet = instructionSet
        result.kvPrecision = kvPrecision
        return result
    }
}
