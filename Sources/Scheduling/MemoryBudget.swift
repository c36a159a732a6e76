import ModelFiles

/// The worst case of resident memory: everything that has a bound, at its bound.
struct MemoryBudget {
    let weightBytes: Int
    /// KV arena, activations and the sampler's candidates.
    let contextBytes: Int
    let requestBytes: Int
    let cacheBytes: Int
    let fixedBytes: Int

    init(
        weightBytes: Int,
        contextBytes: Int,
        tokenLimit: Int,
        vocabularyCount: Int,
        options: SchedulerOptions
    ) {
        self.weightBytes = weightBytes
        self.contextBytes = contextBytes + RandomSampler.memoryBytes(vocabularyCount: vocabularyCount)
        cacheBytes = options.kvBlocks * PrefixCache.bytesPerBlock
        fixedBytes = options.fixedAllowanceBytes
        // The prompt as submitted and the sequence's growing copy; the stream's tokens with their log-probabilities.
        let entry = MemoryLayout<TokenLogprobs.Entry>.stride
        let logprobs = MemoryLayout<TokenLogprobs>.stride + GenerationRequest.maxTopLogprobs * entry + 32
        let perLabel = tokenLimit * 2 * MemoryLayout<TokenID>.stride + 1024
        let perReply = perLabel + options.maxNewTokens * (MemoryLayout<TokenID>.stride + logprobs)
        requestBytes = perReply * options.capacity(of: .chat) + perLabel * options.capacity(of: .label)
    }

    var totalBytes: Int { weightBytes + contextBytes + requestBytes + cacheBytes + fixedBytes }
}
