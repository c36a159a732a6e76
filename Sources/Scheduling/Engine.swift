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
    private let planner: BatchPlanner
    var pool: BlockPool
    var prefixes = PrefixTable()
    var sampler: RandomSampler
    var running: [Sequence] = []  // in order of admission
    var freeSlots: [Int]
    let options: SchedulerOptions
    private var rows: [BatchRow] = []
    private var outputs: [Int32] = []

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
        planner = BatchPlanner(maxRows: options.maxBatchRows, prefillChunk: options.prefillChunk)
        sampler = RandomSampler(vocabularyCount: vocabularyCount)
        pool = BlockPool(blocks: options.kvBlocks)
        freeSlots = (0..<options.slots).reversed()
        running.reserveCapacity(options.slots)
        rows.reserveCapacity(options.maxBatchRows)
        outputs.reserveCapacity(options.slots)
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
        let complete = fillRows()
        // Replies first, so that their logits come from one pass over the output matrix.
        let withOutput = complete.filter { $0.0.job.purpose == .generate }
        let replies = withOutput.filter { !$0.0.job.isLabel }
        let labels = withOutput.filter { $0.0.job.isLabel }
        outputs.removeAll(keepingCapacity: true)
        for (_, row) in replies + labels { outputs.append(Int32(row)) }
        rows.withUnsafeBufferPointer { rows in
            outputs.withUnsafeBufferPointer { executor.run(rows, outputs: $0) }
        }
        touchProgress()

        for (sequence, _) in complete where sequence.job.purpose == .pin { keepPrefix(sequence) }
        if !replies.isEmpty { executor.computeLogits(outputs: 0..<replies.count) }
        for (output, reply) in replies.enumerated() { advanceReply(reply.0, output: output) }
        for (index, label) in labels.enumerated() { advanceLabel(label.0, output: replies.count + index) }
        publishSlots()
    }

    /// Plans the step and writes its rows. Returns the sequences whose last row is among them, with that row's index.
    private func fillRows() -> [(Sequence, Int)] {
        rows.removeAll(keepingCapacity: true)
        var complete: [(Sequence, Int)] = []
        for (sequence, count) in zip(running, planner.plan(running.map(\.demand))) where count > 0 {
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
            if sequence.computed == sequence.tokens.count { complete.append((sequence, rows.count - 1)) }
        }
        return complete
    }

    private func failEverything() {
        for sequence in running { end(sequence, .failed(.stopped)) }
        for job in queue.removeAll() { endWaiting(job, .failed(.stopped)) }
    }

    private func touchProgress() {
        progress.lastStepTime.store(Clock.now(), ordering: .relaxed)
    }
}
