import Inference
import Metrics
import ModelFiles
import Synchronization

/// The continuous batch. Owned by one thread: no other touches the sequences, the KV blocks or the executor.
final class Engine {
    let executor: any StepExecutor
    let queue: SubmissionQueue
    let metrics: ServerMetrics
    let progress: EngineProgress
    let vocabularyCount: Int
    private var planner: BatchPlanner
    var pool: BlockPool
    var prefixes = PrefixTable()
    var sampler: RandomSampler
    var coarsePace = CoarsePace()
    var running: [Sequence] = []  // in order of admission
    var freeSlots: [Int]
    let options: SchedulerOptions
    // What a step works with; room for the largest one is taken at start, so that decoding allocates nothing.
    private var demands: [BatchPlanner.Demand] = []
    private var rows: [BatchRow] = []
    private var outputs: [Int32] = []
    /// The sequences whose last row is in the step, with that row's index.
    private var replies: [(sequence: Sequence, row: Int)] = []
    private var labels: [(sequence: Sequence, row: Int)] = []
    private var prefixesDone: [Sequence] = []

    init(
        executor: any StepExecutor,
        options: SchedulerOptions,
        vocabularyCount: Int,
        queue: SubmissionQueue,
        progress: EngineProgress,
        metrics: ServerMetrics
    ) {
        self.executor = executor
        self.queue = queue
        self.progress = progress
        self.metrics = metrics
        self.options = options
        self.vocabularyCount = vocabularyCount
        planner = BatchPlanner(
            maxRows: options.maxBatchRows,
            prefillChunk: options.prefillChunk,
            sequences: options.slots
        )
        sampler = RandomSampler(vocabularyCount: vocabularyCount)
        pool = BlockPool(blocks: options.kvBlocks)
        freeSlots = (0..<options.slots).reversed()
        running.reserveCapacity(options.slots)
        demands.reserveCapacity(options.slots)
        rows.reserveCapacity(options.maxBatchRows)
        outputs.reserveCapacity(options.slots)
        replies.reserveCapacity(options.slots)
        labels.reserveCapacity(options.slots)
        prefixesDone.reserveCapacity(options.slots)
    }

    /// Steps until the queue says stop, then fails everything outstanding.
    func run() {
        while queue.waitForWork(hasRunning: !running.isEmpty) { step() }
        failEverything()
    }

    /// Drops what was cancelled or has waited too long, admits what fits, computes one batch, hands out its results.
    func step() {
        let start = Clock.now()
        touchProgress()
        for sequence in running where sequence.job.isCancelled { finish(sequence, .cancelled) }
        for job in queue.removeEnded() { endWaiting(job, endOfWaiting(job)) }
        admitAll()
        if !running.isEmpty {
            computeBatch()
            metrics.stepTime.observe(Clock.seconds(from: start, to: Clock.now()))
        }
        progress.steps.add(1, ordering: .relaxed)
        touchProgress()
    }

    private func computeBatch() {
        fillRows()
        // Replies first, so that their logits come from one pass over the output matrix.
        outputs.removeAll(keepingCapacity: true)
        for (_, row) in replies { outputs.append(Int32(row)) }
        for (_, row) in labels { outputs.append(Int32(row)) }
        rows.withUnsafeBufferPointer { rows in
            outputs.withUnsafeBufferPointer { executor.run(rows, outputs: $0) }
        }
        touchProgress()

        for sequence in prefixesDone { keepPrefix(sequence) }
        let isCoarse = computeReplyLogits()
        for (output, reply) in replies.enumerated() {
            advanceReply(reply.sequence, output: output, isCoarse: isCoarse)
        }
        for (index, label) in labels.enumerated() { advanceLabel(label.sequence, output: replies.count + index) }
        replies.removeAll(keepingCapacity: true)
        labels.removeAll(keepingCapacity: true)
        prefixesDone.removeAll(keepingCapacity: true)
        publishSlots()
    }

    /// Of all replies in one pass; true for coarse ones.
    private func computeReplyLogits() -> Bool {
        guard !replies.isEmpty else { return false }
        let outputs = 0..<replies.count
        let isCoarse =
            executor.hasCoarseOutput && replies.allSatisfy(\.sequence.job.request.needsBestTokenOnly)
            && coarsePace.isDue(replies: replies.count)
        if isCoarse { executor.computeCoarseLogits(outputs: outputs) } else { executor.computeLogits(outputs: outputs) }
        return isCoarse
    }

    /// Plans the step and writes its rows; sorts those sequences out whose last row is among them.
    private func fillRows() {
        demands.removeAll(keepingCapacity: true)
        for sequence in running { demands.append(sequence.demand) }
        planner.plan(demands)
        rows.removeAll(keepingCapacity: true)
        for (sequence, count) in zip(running, planner.rows) where count > 0 {
            for position in sequence.computed..<sequence.computed + count {
                rows.append(
                    BatchRow(
                        token: sequence.tokens[position],
                        position: Int32(position),
                        sequence: Int32(sequence.slot)
                    )
                )
            }
            sequence.computed += count
            guard sequence.computed == sequence.tokens.count else { continue }
            switch sequence.job.purpose {
            case .generate where sequence.job.isLabel: labels.append((sequence, rows.count - 1))
            case .generate: replies.append((sequence, rows.count - 1))
            case .pin, .unpin: prefixesDone.append(sequence)
            }
        }
    }

    private func failEverything() {
        for sequence in running { end(sequence, .failed(.stopped)) }
        for job in queue.removeAll() { endWaiting(job, .failed(.stopped)) }
    }

    private func touchProgress() {
        progress.lastStepTime.store(Clock.now(), ordering: .relaxed)
    }
}
