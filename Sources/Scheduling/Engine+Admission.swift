import Inference
import ModelFiles
import Synchronization

/// From the queue into the batch and out of it again.
extension Engine {
    /// Admits whose turn it is while slots and blocks last.
    func admitAll() {
        while let job = queue.next(fits: fits) {
            switch job.purpose {
            case .unpin: unpin(job)
            case .pin where prefixes.pinAgain(job.request.prompt): endWaiting(job, .finished(emptyResult(of: job)))
            case .pin, .generate: admit(job)
            }
        }
        publishUse()
    }

    /// Whether the job can be admitted now. One that never can is let through, to fail.
    private func fits(_ job: Job) -> Bool {
        if job.purpose == .unpin { return true }
        guard !freeSlots.isEmpty else { return false }
        let needed = blocksNeeded(job) - (sharedPrefix(of: job)?.shared.count ?? 0)
        return needed <= allocator.freeCount || needed > allocator.count - prefixes.blockCount
    }

    private func admit(_ job: Job) {
        let prefix = sharedPrefix(of: job)
        let needed = blocksNeeded(job) - (prefix?.shared.count ?? 0)
        guard let own = allocator.allocate(needed), let slot = freeSlots.popLast() else {
            return endWaiting(job, .failed(.noRoom))
        }
        if let prefix {
            allocator.retain(prefix.shared)
            if let partial = prefix.partial, let copy = own.first { executor.copyBlock(from: partial, to: copy) }
        }
        let sequence = Sequence(
            job: job,
            slot: slot,
            blocks: (prefix?.shared ?? []) + own,
            cached: prefix?.tokens ?? 0,
            admittedAt: Clock.now()
        )
        executor.setBlockTable(sequence: slot, blocks: sequence.blocks)
        running.append(sequence)
        countAdmission(sequence)
    }

    /// All blocks that the job may ever use, so that it can't fail midway.
    private func blocksNeeded(_ job: Job) -> Int {
        let tokens = job.request.prompt.count + job.request.maxNewTokens
        return (tokens + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens
    }

    /// What a pinned prefix gives: whole blocks to share, a partly used one to copy. The prompt's last token is always
    /// left to compute, in a block of the sequence's own.
    private func sharedPrefix(of job: Job) -> (tokens: Int, shared: ArraySlice<Int32>, partial: Int32?)? {
        let request = job.request
        guard job.purpose == .generate, request.sharedPrefix > 0,
            let blocks = prefixes.blocks(of: request.prompt.prefix(request.sharedPrefix))
        else { return nil }
        let tokens = min(request.sharedPrefix, request.prompt.count - 1)
        let whole = tokens / ComputeContext.blockTokens
        let isPartial = tokens % ComputeContext.blockTokens > 0
        return (tokens, blocks[..<whole], isPartial ? blocks[whole] : nil)
    }

    // MARK: Pinned prefixes

    /// The sequence has computed a prefix: its blocks go over to the table.
    func keepPrefix(_ sequence: Sequence) {
        allocator.retain(sequence.blocks)
        prefixes.insert(sequence.job.request.prompt, blocks: sequence.blocks)
        end(sequence, .finished(emptyResult(of: sequence.job)))
    }

    private func unpin(_ job: Job) {
        allocator.release(prefixes.unpin(job.request.prompt))
        endWaiting(job, .finished(emptyResult(of: job)))
    }

    // MARK: Ends

    /// Ends a job that is not in the batch.
    func endWaiting(_ job: Job, _ event: GenerationEvent) {
        publishUse()
        queue.release(job)
        job.stream.end(event)
    }

    /// Takes a sequence out of the batch; everything is given back before its reader hears of it.
    func end(_ sequence: Sequence, _ event: GenerationEvent) {
        allocator.release(sequence.blocks)
        freeSlots.append(sequence.slot)
        running.removeAll { $0 === sequence }
        progress.slots[sequence.slot].admittedAt.store(0, ordering: .relaxed)
        endWaiting(sequence.job, event)
    }

    func emptyResult(of job: Job) -> GenerationResult {
        GenerationResult(reason: .length, promptTokens: job.request.prompt.count)
    }

    func cancelledResult(of job: Job) -> GenerationResult {
        var result = GenerationResult(reason: .cancelled, promptTokens: job.request.prompt.count)
        result.queueSeconds = Clock.seconds(from: job.submittedAt, to: Clock.now())
        return result
    }
}
