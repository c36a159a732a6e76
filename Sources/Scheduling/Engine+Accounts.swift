import Metrics
import Synchronization

/// Metrics and progress.
extension Engine {
    func countAdmission(_ sequence: Sequence, _ lease: BlockPool.Lease) {
        let slot = progress.slots[sequence.slot]
        slot.promptTokens.store(sequence.promptCount, ordering: .relaxed)
        slot.admittedAt.store(sequence.admittedAt, ordering: .relaxed)
        guard sequence.job.purpose == .generate else { return }
        metrics.promptTokens.add(sequence.promptCount)
        metrics.prefixCacheQueries.add(sequence.promptCount)
        metrics.prefixCacheHits.add(lease.cached)
        if lease.cachedConversation > 0 { metrics.conversationCacheHits.add() }
        metrics.conversationCacheTokens.add(lease.cachedConversation)
        metrics.queueTime.observe(Clock.seconds(from: sequence.job.submittedAt, to: sequence.admittedAt))
    }

    /// Notes the end of the prompt, once.
    func notePrefilled(_ sequence: Sequence) {
        guard sequence.prefilledAt == nil else { return }
        let now = Clock.now()
        sequence.prefilledAt = now
        metrics.prefillTime.observe(Clock.seconds(from: sequence.admittedAt, to: now))
    }

    func countToken(_ sequence: Sequence) {
        let now = Clock.now()
        if let last = sequence.lastTokenAt {
            metrics.interTokenLatency.observe(Clock.seconds(from: last, to: now))
        } else {
            metrics.timeToFirstToken.observe(Clock.seconds(from: sequence.job.submittedAt, to: now))
        }
        sequence.lastTokenAt = now
        metrics.generationTokens.add()
    }

    func publishUse() {
        let pinned = prefixes.blockCount
        progress.running.store(running.count, ordering: .relaxed)
        progress.blocksUsed.store(pool.usedCount, ordering: .relaxed)
        progress.blocksCached.store(pool.cachedCount, ordering: .relaxed)
        progress.blocksPinned.store(pinned, ordering: .relaxed)
        metrics.requestsRunning.set(running.count)
        metrics.kvCacheUsage.set(Double(pool.usedCount) / Double(max(1, pool.count)))
        metrics.kvCacheCachedBlocks.set(pool.cachedCount)
    }

    func publishSlots() {
        for sequence in running {
            let slot = progress.slots[sequence.slot]
            slot.computedTokens.store(sequence.computed, ordering: .relaxed)
            slot.generatedTokens.store(sequence.generated, ordering: .relaxed)
        }
    }
}
