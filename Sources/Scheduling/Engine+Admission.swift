import Inference
import Metrics
import ModelFiles
import Synchronization

/// From the queue into the batch and out of it again.
extension Engine {
    /// Admits whose turn it is while slots and blocks last.
    func admitAll() {
        while let (job, isInLabels) = queue.next(fitsLabels: fitsLabels, fits: fits) {
            switch job.purpose {
            case .unpin: unpin(job)
            case .pin where prefixes.pinAgain(job.request.prompt): endWaiting(job, .finished(emptyResult(of: job)))
            case .pin, .generate: admit(job, isInLabels: isInLabels)
            }
        }
        publishUse()
    }

    /// Whether the label can be admitted now into what is kept for labels.
    private func fitsLabels(_ job: Job) -> Bool {
        guard labelsRunning.count < options.labelSequences else { return false }
        return room(for: job, keeping: 0).map { $0 <= labelBlocksLeft } ?? false
    }

    /// Whether the job can be admitted now into the rest. One that never can is let through, to fail.
    private func fits(_ job: Job) -> Bool {
        if job.purpose == .unpin { return true }
        guard running.count - labelsRunning.count < options.maxSequences else { return false }
        return running.isEmpty || room(for: job, keeping: job.lane == .label ? 0 : labelBlocksLeft) != nil
    }

    private func room(for job: Job, keeping: Int) -> Int? {
        pool.room(for: job.request.prompt, capacity: capacity(job), space: job.request.cacheSpace, keeping: keeping)
    }

    /// Those that run in what is kept for labels.
    private var labelsRunning: [Sequence] { running.filter(\.isInLabels) }

    /// Blocks kept for labels that none of them has.
    private var labelBlocksLeft: Int {
        max(0, options.labelBlocks - labelsRunning.reduce(0) { $0 + $1.ownBlocks })
    }

    private func admit(_ job: Job, isInLabels: Bool) {
        let space = job.request.cacheSpace
        guard let lease = pool.lease(job.request.prompt, capacity: capacity(job), space: space) else {
            return endWaiting(job, .failed(.noRoom))
        }
        if let (source, target) = lease.copy { executor.copyBlock(from: source, to: target) }
        let sequence = Sequence(
            job: job,
            slot: freeSlots.removeLast(),
            isInLabels: isInLabels,
            lease: lease,
            admittedAt: Clock.now()
        )
        executor.setBlockTable(sequence: sequence.slot, blocks: sequence.blocks)
        running.append(sequence)
        countAdmission(sequence, lease)
    }

    /// All tokens that the job may ever have, so that it can't fail midway.
    private func capacity(_ job: Job) -> Int { job.request.prompt.count + job.request.maxNewTokens }

    // MARK: Pinned prefixes

    /// The sequence has computed a prefix: its blocks go over to the table.
    func keepPrefix(_ sequence: Sequence) {
        let prompt = sequence.job.request.prompt
        prefixes.insert(prompt, blocks: pool.store(prompt[...], in: sequence.handOver(), space: nil))
        end(sequence, .finished(emptyResult(of: sequence.job)))
    }

    private func unpin(_ job: Job) {
        pool.release(prefixes.unpin(job.request.prompt))
        endWaiting(job, .finished(emptyResult(of: job)))
    }

    // MARK: Ends

    /// Ends a job that is not in the batch.
    func endWaiting(_ job: Job, _ event: GenerationEvent, hasRun: Bool = false) {
        publishUse()
        queue.release(job, hasRun: hasRun)
        if let time = job.abandonedAt { metrics.cancellationTime.observe(Clock.seconds(from: time, to: Clock.now())) }
        job.stream.end(event)
    }

    /// The end of a job that was taken out of the queue.
    func endOfWaiting(_ job: Job) -> GenerationEvent {
        if job.isCancelled { return .finished(cancelledResult(of: job)) }
        metrics.countRejection(.overdue)
        return .failed(.overdue(retryAfterSeconds: queue.retryAfterSeconds(job.lane)))
    }

    /// Leaves what the sequence has computed in the cache, for its conversation's next turn.
    func keepConversation(_ sequence: Sequence) {
        guard let space = sequence.job.request.cacheSpace else { return }
        let computed = sequence.tokens[..<min(sequence.computed, sequence.job.request.maxTokensKept)]
        pool.release(pool.store(computed, in: sequence.handOver(), space: space))
    }

    /// Takes a sequence out of the batch; everything is given back before its reader hears of it.
    func end(_ sequence: Sequence, _ event: GenerationEvent) {
        pool.release(sequence.handOver())
        freeSlots.append(sequence.slot)
        running.removeAll { $0 === sequence }
        progress.slots[sequence.slot].admittedAt.store(0, ordering: .relaxed)
        endWaiting(sequence.job, event, hasRun: true)
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
