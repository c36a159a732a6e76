package import Inference

/// Bounds of the scheduler; everything that grows with load is derived from them.
package struct SchedulerOptions: Sendable {
    /// Sequences in the batch at once.
    package var maxSequences = 16
    /// Requests that may wait beyond those.
    package var queueLimit = 64
    /// Blocks of `ComputeContext.blockTokens` tokens in the KV arena.
    package var kvBlocks = 256
    /// Prompt rows a step while replies are being generated, so that they stay fluent.
    package var prefillChunk = 64
    /// Rows of one forward pass; at least maxSequences.
    package var maxBatchRows = 128
    /// Most tokens that one request may generate.
    package var maxNewTokens = 1024
    package var threads = ComputeOptions.onlineProcessors
    /// nil: the best that the CPU has.
    package var instructionSet: InstructionSet?
    /// Share of everything else in the worst case of memory: code, tokenizer, stacks, request bodies, one large body
    /// being tokenised.
    package var fixedAllowanceBytes = 96 << 20

    package init() {}

    func validate() throws(SchedulerError) {
        let positive = [
            ("maxSequences", maxSequences), ("kvBlocks", kvBlocks), ("prefillChunk", prefillChunk),
            ("maxNewTokens", maxNewTokens), ("threads", threads),
        ]
        for (name, value) in positive where value < 1 {
            throw .invalidOptions("\(name) is \(value); it must be at least 1")
        }
        guard queueLimit >= 0 else { throw .invalidOptions("queueLimit is \(queueLimit); it must not be negative") }
        guard maxBatchRows >= maxSequences else {
            throw .invalidOptions("maxBatchRows is \(maxBatchRows); it must be at least maxSequences, \(maxSequences)")
        }
    }
}

extension SchedulerOptions {
    var computeOptions: ComputeOptions {
        var result = ComputeOptions()
        result.threads = threads
        result.kvBlocks = kvBlocks
        result.maxSequences = maxSequences
        result.maxBatchRows = maxBatchRows
        result.instructionSet = instructionSet
        return result
    }
}
