package import Inference
package import ModelFiles

/// The worst case of resident memory: everything that has a bound, at its bound. From the options alone, before anything is
/// loaded.
package struct MemoryBudget: Sendable, Equatable {
    /// Packed weights.
    package let weightBytes: Int
    /// The KV arena, and what the prefix cache knows of its blocks.
    package let cacheBytes: Int
    /// Buffers of a forward pass and the sampler's candidates.
    package let batchBytes: Int
    /// Requests in the queue and in the batch, at their longest.
    package let requestBytes: Int
    /// Everything around the engine.
    package let serviceBytes: Int

    package init(plan: MemoryPlan, options: SchedulerOptions, serviceBytes: Int) {
        weightBytes = plan.weightBytes
        cacheBytes = plan.cacheBytes + options.kvBlocks * PrefixCache.bytesPerBlock
        batchBytes = plan.activationBytes + RandomSampler.memoryBytes(vocabularyCount: plan.vocabularyCount)
        self.serviceBytes = serviceBytes
        // The prompt as submitted and the sequence's growing copy; the stream's tokens with their log-probabilities.
        let tokenLimit = min(plan.contextLength, options.kvBlocks * ComputeContext.blockTokens)
        let entry = MemoryLayout<TokenLogprobs.Entry>.stride
        let logprobs = MemoryLayout<TokenLogprobs>.stride + GenerationRequest.maxTopLogprobs * entry + 32
        let perLabel = tokenLimit * 2 * MemoryLayout<TokenID>.stride + 1024
        let perReply = perLabel + options.maxNewTokens * (MemoryLayout<TokenID>.stride + logprobs)
        requestBytes = perReply * options.capacity(of: .chat) + perLabel * options.capacity(of: .label)
    }

    package var totalBytes: Int { weightBytes + cacheBytes + batchBytes + requestBytes + serviceBytes }
}

extension MemoryPlan {
    /// Of the context that a scheduler with these options makes.
    package init(file: ModelFile, options: SchedulerOptions) throws(ModelError) {
        try self.init(file: file, options: options.computeOptions, coarseOutput: options.coarseOutput)
    }
}
