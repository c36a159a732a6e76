import Inference
import Metrics
import ModelFiles
import Synchronization

@testable import Scheduling

/// An engine over the toy model that the test steps by hand: no thread, no timing.
final class Bench {
    let executor: ToyExecutor
    let engine: Engine
    let queue: SubmissionQueue
    let progress: EngineProgress
    let metrics = ServerMetrics(roles: [], build: [])

    init(_ change: (inout SchedulerOptions) -> Void = { _ in }) {
        var options = SchedulerOptions()
        options.maxSequences = 4
        options.queueLimit = 8
        options.labelSequences = 0
        options.kvBlocks = 64
        change(&options)
        executor = ToyExecutor(kvBlocks: options.kvBlocks, maxSequences: options.slots)
        progress = EngineProgress(maxSequences: options.slots)
        queue = SubmissionQueue(
            options: options,
            progress: progress,
            metrics: metrics
        )
        engine = Engine(
            executor: executor,
            options: options,
            vocabularyCount: executor.vocabularyCount,
            queue: queue,
            progress: progress,
            metrics: metrics
        )
    }

    func submit(_ request: GenerationRequest) throws(AdmissionError) -> Job {
        let job = Job(request)
        try queue.submit([job])
        return job
    }

    /// Steps until nothing is outstanding.
    func runAll(limit: Int = 10_000) {
        var steps = 0
        while progress.outstanding.load(ordering: .relaxed) > 0 && steps < limit {
            engine.step()
            steps += 1
        }
    }

    func pin(_ tokens: [TokenID]) -> GenerationEvent {
        prefixJob(tokens, .pin)
    }

    func unpin(_ tokens: [TokenID]) -> GenerationEvent {
        prefixJob(tokens, .unpin)
    }

    private func prefixJob(_ tokens: [TokenID], _ purpose: Job.Purpose) -> GenerationEvent {
        let job = Job(GenerationRequest(prompt: tokens, maxNewTokens: 0), purpose: purpose)
        guard queue.submit(prefixJob: job) else { return .failed(.stopped) }
        runAll()
        return job.outcome.ending ?? .failed(.stopped)
    }
}

/// What a request's stream held.
struct Outcome {
    var tokens: [TokenID] = []
    var ending: GenerationEvent?

    var result: GenerationResult? { if case .finished(let result) = ending { result } else { nil } }
    var failure: GenerationFailure? { if case .failed(let failure) = ending { failure } else { nil } }
    var reason: GenerationResult.Reason? { result?.reason }

    /// Reads events until the ending, or until none comes in time.
    init(next: () -> GenerationEvent?) {
        while ending == nil, let event = next() {
            if case .token(let token) = event { tokens.append(token) } else { ending = event }
        }
    }
}

extension Job {
    /// What is there now.
    var outcome: Outcome { Outcome { stream.next(timeoutMilliseconds: 0) } }
}

extension GenerationHandle {
    /// Waits for the end.
    func outcome(timeoutMilliseconds: Int = 20_000) -> Outcome {
        Outcome { next(timeoutMilliseconds: timeoutMilliseconds) }
    }
}

/// A prompt of `count` tokens below 90 that differs by seed.
func prompt(_ count: Int, seed: UInt64) -> [TokenID] {
    (0..<UInt64(count)).map { TokenID(Toy.mix(seed &* 1000 &+ $0) % 90) }
}

func reply(_ prompt: [TokenID], _ count: Int, in space: CacheSpace? = nil) -> GenerationRequest {
    GenerationRequest(prompt: prompt, cacheSpace: space, maxNewTokens: count)
}

func space(_ name: String) -> CacheSpace? { CacheSpace(name: name, wholeBlocksOnly: false) }

extension BlockPool {
    func fits(_ prompt: [TokenID], capacity: Int, space: CacheSpace?) -> Bool {
        room(for: prompt, capacity: capacity, space: space, keeping: 0) != nil
    }
}
