import Glibc
import Metrics
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct SchedulerTests {
    /// A started scheduler over the toy model.
    private func makeScheduler(
        _ change: (inout SchedulerOptions) -> Void = { _ in },
        contextLength: Int = 512,
        onRun: (@Sendable () -> Void)? = nil
    ) throws -> Scheduler {
        var options = SchedulerOptions()
        options.maxSequences = 4
        options.queueLimit = 8
        options.labelSequences = 2
        options.kvBlocks = 64
        change(&options)
        let executor = ToyExecutor(kvBlocks: options.kvBlocks, maxSequences: options.slots)
        executor.onRun = onRun
        let scheduler = try Scheduler(
            executor: executor,
            vocabularyCount: 97,
            contextLength: contextLength,
            options: options,
            metrics: ServerMetrics(roles: [], build: [])
        )
        try scheduler.start()
        return scheduler
    }

    @Test func answersFromItsOwnThread() throws {
        let scheduler = try makeScheduler()
        try scheduler.pinPrefix(prompt(40, seed: 1))
        let whole = prompt(40, seed: 1) + prompt(10, seed: 2)
        let handle = try scheduler.submit(reply(whole, 25))
        let outcome = handle.outcome()
        #expect(outcome.tokens == Toy.continuation(of: whole, count: 25))
        let result = try #require(outcome.result)
        #expect(result.cachedTokens == 40)
        #expect(result.queueSeconds >= 0 && result.prefillSeconds > 0 && result.decodeSeconds > 0)
        #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
        let snapshot = scheduler.snapshot
        #expect(snapshot.running == 0 && snapshot.waiting == 0 && !snapshot.isBusy)
        #expect(snapshot.kvBlocksUsed == 2 && snapshot.kvBlocksPinned == 2 && snapshot.kvBlocksTotal == 64)
        #expect(snapshot.steps >= 25)
        #expect(snapshot.sequences.isEmpty)
    }

    @Test func idleEngineUsesNoCPU() throws {
        let scheduler = try makeScheduler()
        _ = try scheduler.submit(reply([1], 2)).outcome()
        // The step that ended the request may still be on its way out.
        let isStill = (0..<20).contains { _ in
            let steps = scheduler.snapshot.steps
            usleep(100_000)
            return scheduler.snapshot.steps == steps
        }
        #expect(isStill)
        #expect(!scheduler.snapshot.isBusy)
    }

    @Test func snapshotShowsARunningSequenceAndAHangingEngine() throws {
        let gate = Gate()
        let scheduler = try makeScheduler(onRun: { gate.pass() })
        defer { gate.open() }
        let handle = try scheduler.submit(reply(prompt(10, seed: 1), 5))
        gate.waitUntilReached()
        usleep(100_000)
        let snapshot = scheduler.snapshot
        #expect(snapshot.isBusy && snapshot.running == 1)
        #expect(snapshot.secondsSinceLastStep >= 0.1)
        #expect(snapshot.sequences.first?.promptTokens == 10)
        gate.open()
        #expect(handle.outcome().tokens.count == 5)
    }

    @Test func refusesWhatIsTooLong() throws {
        let scheduler = try makeScheduler(contextLength: 100)
        #expect(throws: AdmissionError.tooLong(limit: 100)) { try scheduler.submit(reply(prompt(90, seed: 1), 11)) }
        #expect(try scheduler.submit(reply(prompt(90, seed: 1), 10)).outcome().tokens.count == 10)
        let small = try makeScheduler { $0.kvBlocks = 3 }
        try small.pinPrefix([1, 2])
        #expect(throws: AdmissionError.tooLong(limit: 64)) { try small.submit(reply(prompt(60, seed: 1), 5)) }
        #expect(throws: SchedulerError.prefixTooLong(tokens: 33, limit: 32)) {
            try small.pinPrefix(prompt(33, seed: 2))
        }
        try small.unpinPrefix([1, 2])
        #expect(try small.submit(reply(prompt(60, seed: 1), 36)).outcome().tokens.count == 36)
    }

    @Test(arguments: [
        GenerationRequest(prompt: [], maxNewTokens: 1),
        GenerationRequest(prompt: [97], maxNewTokens: 1),
        GenerationRequest(prompt: [-1], maxNewTokens: 1),
        GenerationRequest(prompt: [1], maxNewTokens: 0),
        GenerationRequest(prompt: [1], maxNewTokens: -1, constraint: FixedConstraint()),
        GenerationRequest(prompt: [1], maxNewTokens: .max),
        GenerationRequest(prompt: [1], maxNewTokens: 1, bannedFrom: 0),
        GenerationRequest(prompt: [1], maxNewTokens: 1, topLogprobs: 21),
    ])
    func refusesSenselessRequests(request: GenerationRequest) throws {
        let scheduler = try makeScheduler()
        do {
            _ = try scheduler.submit(request)
            Issue.record("accepted")
        } catch {
            guard case .invalid(let why) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(!why.isEmpty && !why.contains("\n"))
        }
        #expect(scheduler.snapshot.isBusy == false)
    }

    @Test func fullSaysWhenToComeBackAndDrainingRefuses() throws {
        let gate = Gate()
        let scheduler = try makeScheduler(onRun: { gate.pass() })
        defer { gate.open() }
        let handles = try scheduler.submitAll((0..<12).map { _ in reply([1, 2], 3) })
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try scheduler.submit(reply([1], 1)) }
        scheduler.drain()
        #expect(throws: AdmissionError.draining) { try scheduler.submit(reply([1], 1)) }
        #expect(throws: SchedulerError.notRunning) { try scheduler.pinPrefix([1]) }
        #expect(!scheduler.waitUntilIdle(timeoutMilliseconds: 20))
        gate.open()
        #expect(handles.allSatisfy { $0.outcome().reason == .length })
        #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
        #expect(throws: AdmissionError.invalid("13 requests at once; send at most 12")) {
            try scheduler.submitAll((0..<13).map { _ in reply([1], 1) })
        }
    }

    @Test func stopFailsEverythingOutstanding() throws {
        let gate = Gate()
        let scheduler = try makeScheduler(onRun: { gate.pass() })
        let handles = try scheduler.submitAll((0..<8).map { _ in reply([1, 2], 300) })
        gate.waitUntilReached()
        gate.open()
        scheduler.stop()
        #expect(handles.allSatisfy { $0.outcome().failure == .stopped })
        #expect(throws: AdmissionError.draining) { try scheduler.submit(reply([1], 1)) }
        #expect(throws: SchedulerError.alreadyStarted) { try scheduler.start() }
        #expect(scheduler.snapshot.kvBlocksUsed == 0 && !scheduler.snapshot.isBusy)
        scheduler.stop()
    }

    @Test func stopBeforeStartFailsTheQueue() throws {
        let scheduler = try Scheduler(
            executor: ToyExecutor(kvBlocks: 8, maxSequences: 2),
            vocabularyCount: 97,
            contextLength: 64,
            options: {
                var options = SchedulerOptions(); options.maxSequences = 2; options.kvBlocks = 8; return options
            }(),
            metrics: ServerMetrics(roles: [], build: [])
        )
        let handle = try scheduler.submit(reply([1], 1))
        scheduler.stop()
        #expect(handle.outcome().failure == .stopped)
    }

    @Test func aDroppedHandleCancels() throws {
        let scheduler = try makeScheduler { $0.maxSequences = 1 }
        do { _ = try scheduler.submit(reply(prompt(5, seed: 1), 400)) }
        #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
        #expect(scheduler.snapshot.steps < 390)
    }

    @Test(
        arguments: [
            { $0.maxSequences = 0 }, { $0.kvBlocks = 0 }, { $0.prefillChunk = 0 }, { $0.queueLimit = -1 },
            { $0.maxBatchRows = 3 }, { $0.maxNewTokens = 0 }, { $0.threads = 0 },
        ] as [@Sendable (inout SchedulerOptions) -> Void]
    )
    func refusesSenselessOptions(change: @Sendable (inout SchedulerOptions) -> Void) {
        #expect(throws: SchedulerError.self) { try makeScheduler(change) }
    }
}
