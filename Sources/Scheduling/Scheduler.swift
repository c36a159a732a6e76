package import Inference
package import Metrics
package import ModelFiles
import Synchronization

/// Admission, continuous batching, the prefix cache and cancellation, in token ids only. Every method may be called from
/// any thread; one engine thread of its own owns the model's state.
package final class Scheduler: Sendable {
    package let options: SchedulerOptions
    private let vocabularyCount: Int
    private let contextLength: Int
    private let metrics: ServerMetrics
    private let queue: SubmissionQueue
    private let progress: EngineProgress
    private let lifecycle: Mutex<Lifecycle>
    private let prefixLock = Mutex(())

    private enum Lifecycle: @unchecked Sendable {
        case created(Engine)  // handed to the thread, which alone uses it then
        case running(EngineThread)
        case stopped
    }

    /// Allocates and touches the KV arena and activations.
    package convenience init(
        model: Model,
        options: SchedulerOptions,
        metrics: ServerMetrics
    ) throws(SchedulerError) {
        try options.validate()
        let context: ComputeContext
        do {
            context = try ComputeContext(model: model, options: options.computeOptions)
        } catch {
            throw .engine("\(error)")
        }
        try self.init(
            executor: ModelExecutor(context),
            vocabularyCount: model.configuration.vocabularyCount,
            contextLength: model.configuration.contextLength,
            options: options,
            metrics: metrics
        )
    }

    init(
        executor: sending any StepExecutor,
        vocabularyCount: Int,
        contextLength: Int,
        options: SchedulerOptions,
        metrics: ServerMetrics
    ) throws(SchedulerError) {
        try options.validate()
        self.options = options
        self.vocabularyCount = vocabularyCount
        self.contextLength = contextLength
        self.metrics = metrics
        progress = EngineProgress(maxSequences: options.slots)
        queue = SubmissionQueue(
            options: options,
            progress: progress,
            metrics: metrics
        )
        let engine = Engine(
            executor: executor,
            options: options,
            vocabularyCount: vocabularyCount,
            queue: queue,
            progress: progress,
            metrics: metrics
        )
        lifecycle = Mutex(.created(engine))
    }

    deinit {
        stop()
    }

    // MARK: Lifecycle

    /// Starts the engine thread.
    package func start() throws(SchedulerError) {
        try lifecycle.withLock { state throws(SchedulerError) in
            guard case .created(let engine) = state else { throw .alreadyStarted }
            state = .running(try EngineThread.start(name: "engine") { engine.run() })
        }
    }

    /// Takes in nothing more; what is queued or running goes on to its end. Returns at once.
    package func drain() {
        queue.drain()
    }

    /// Waits until nothing is queued or running; false if that takes longer.
    package func waitUntilIdle(timeoutMilliseconds: Int) -> Bool {
        queue.waitUntilIdle(timeoutMilliseconds: timeoutMilliseconds)
    }

    /// Ends the engine after the step in progress; what is outstanding fails with `.stopped`.
    package func stop() {
        queue.stop()
        lifecycle.withLock { state in
            switch state {
            case .created(let engine): engine.run()  // fails what is queued, as it is stopped already
            case .running(let thread): thread.join()
            case .stopped: break
            }
            state = .stopped
        }
    }

    // MARK: Requests

    package func submit(_ request: GenerationRequest) throws(AdmissionError) -> GenerationHandle {
        let jobs = try enqueue([request])
        return GenerationHandle(jobs[0])
    }

    /// Takes in all of the requests or none. Handles in the requests' order.
    package func submitAll(_ requests: [GenerationRequest]) throws(AdmissionError) -> [GenerationHandle] {
        try enqueue(requests).map { GenerationHandle($0) }
    }

    /// Most labels that may be outstanding at once, and so in one `submitAll`.
    package var labelCapacity: Int { options.capacity(of: .label) }

    /// Whether a batch under way may submit one more label now, and leave others room; they may be quicker.
    package var hasRoomForLabel: Bool { queue.hasRoomForMore(in: .label) }

    private func enqueue(_ requests: [GenerationRequest]) throws(AdmissionError) -> [Job] {
        do throws(AdmissionError) {
            for lane in Lane.allCases {
                let count = requests.count { $0.lane == lane }
                let limit = options.capacity(of: lane)
                guard count <= limit else { throw .invalid("\(count) requests at once; send at most \(limit)") }
            }
            for request in requests {
                try request.validate(vocabularyCount: vocabularyCount, maxNewTokens: options.maxNewTokens)
                let length = request.prompt.count + request.maxNewTokens
                guard length <= tokenLimit else { throw .tooLong(limit: tokenLimit) }
            }
            let jobs = requests.map { Job($0) }
            try queue.submit(jobs)
            return jobs
        } catch {
            metrics.countRejection(error.rejectionReason)
            throw error
        }
    }

    /// Most tokens of one request, prompt and new ones: the model's context, or what the arena has besides pinned
    /// prefixes and what is kept for labels.
    package var tokenLimit: Int {
        let blocks = options.kvBlocks - options.labelBlocks - progress.blocksPinned.load(ordering: .relaxed)
        return min(contextLength, blocks * ComputeContext.blockTokens)
    }

    // MARK: Pinned prefixes

    /// Computes the prefix unless it is there, and keeps it for all requests that begin with it. Blocks until done.
    /// Each call wants its own `unpinPrefix`.
    package func pinPrefix(_ tokens: [TokenID]) throws(SchedulerError) {
        do {
            try GenerationRequest(prompt: tokens, maxNewTokens: 0).validatePrompt(vocabularyCount: vocabularyCount)
        } catch {
            throw .invalidPrefix(error.description)
        }
        // One block must be left for requests.
        let limit = min(contextLength, tokenLimit - ComputeContext.blockTokens)
        guard tokens.count <= limit else { throw .prefixTooLong(tokens: tokens.count, limit: limit) }
        try runPrefixJob(tokens, .pin)
    }

    /// Takes back one `pinPrefix`; after the last one the blocks are an ordinary part of the cache.
    package func unpinPrefix(_ tokens: [TokenID]) throws(SchedulerError) {
        try runPrefixJob(tokens, .unpin)
    }

    private func runPrefixJob(_ tokens: [TokenID], _ purpose: Job.Purpose) throws(SchedulerError) {
        try prefixLock.withLock { _ throws(SchedulerError) in
            let isRunning = lifecycle.withLock { if case .running = $0 { true } else { false } }
            let job = Job(GenerationRequest(prompt: tokens, maxNewTokens: 0), purpose: purpose)
            guard isRunning, queue.submit(prefixJob: job) else { throw .notRunning }
            if case .failed(let failure) = job.stream.next() { throw .prefixFailed(failure) }
        }
    }

    // MARK: State

    /// Reads atomics only: never waits for the engine.
    package var snapshot: SchedulerSnapshot {
        let lastStepTime = progress.lastStepTime.load(ordering: .relaxed)
        return SchedulerSnapshot(
            running: progress.running.load(ordering: .relaxed),
            waiting: progress.waiting.load(ordering: .relaxed),
            maxSequences: options.slots,
            queueLimit: Lane.allCases.count * options.queueLimit,
            kvBlocksUsed: progress.blocksUsed.load(ordering: .relaxed),
            kvBlocksPinned: progress.blocksPinned.load(ordering: .relaxed),
            kvBlocksCached: progress.blocksCached.load(ordering: .relaxed),
            kvBlocksTotal: options.kvBlocks,
            steps: progress.steps.load(ordering: .relaxed),
            lastStepTime: lastStepTime,
            secondsSinceLastStep: Clock.seconds(from: lastStepTime, to: Clock.now()),
            isBusy: progress.outstanding.load(ordering: .relaxed) > 0,
            isDraining: progress.isDraining.load(ordering: .relaxed),
            sequences: progress.slots.enumerated().compactMap { $1.snapshot(slot: $0) }
        )
    }
}
