import ModelFiles

/// The worst case of resident memory: everything that has a bound, at its bound.
struct MemoryBudget {
    let weightBytes: Int
    /// KV arena and activations.
    let contextBytes: Int
    let requestBytes: Int
    let cacheBytes: Int
    let fixedBytes: Int

    init(weightBytes: Int, contextBytes: Int, tokenLimit: Int, options: SchedulerOptions) {
        self.weightBytes = weightBytes
        self.contextBytes = contextBytes
        cacheBytes = options.kvBlocks * PrefixCache.bytesPerBlock
        fixedBytes = options.fixedAllowanceBytes
        // The prompt as submitted and the sequence's growing copy; the stream's tokens with their log-probabilities.
        let entry = MemoryLayout<TokenLogprobs.Entry>.stride
        let logprobs = MemoryLayout<TokenLogprobs>.stride + GenerationRequest.maxTopLogprobs * entry + 32
        let perRequest =
            tokenLimit * 2 * MemoryLayout<TokenID>.stride
            + options.maxNewTokens * (MemoryLayout<TokenID>.stride + logprobs) + 1024
        requestBytes = perRequest * (options.maxSequences + options.queueLimit)
    }

    var totalBytes: Int { weightBytes + contextBytes + requestBytes + cacheBytes + fixedBytes }
}
