import Glibc
import Inference
import Metrics
import ModelFiles
import Synchronization
import Testing

@testable import Scheduling

@Suite struct EngineAdmissionTests {
    @Test func reservesEverythingAtAdmission() throws {
        let bench = Bench()
        _ = try bench.submit(reply(prompt(30, seed: 1), 35))  // 65 tokens: 3 blocks
        bench.engine.step()
        #expect(bench.engine.pool.usedCount == 3)
        #expect(bench.progress.blocksUsed.load(ordering: .relaxed) == 3)
        bench.runAll()
        #expect(bench.engine.pool.usedCount == 0)
    }

    @Test func waitsForBlocksAndThenRuns() throws {
        let bench = Bench { $0.kvBlocks = 4 }
        let first = try bench.submit(reply(prompt(60, seed: 1), 20))  // 3 blocks
        let second = try bench.submit(reply(prompt(60, seed: 2), 20))
        bench.engine.step()
        #expect(bench.engine.running.count == 1)
        bench.runAll()
        #expect(first.outcome.tokens == Toy.continuation(of: prompt(60, seed: 1), count: 20))
        #expect(second.outcome.tokens == Toy.continuation(of: prompt(60, seed: 2), count: 20))
    }

    @Test func labelsAreAdmittedFirstWithinTheBound() throws {
        let bench = Bench {
            $0.maxSequences = 1
            $0.queueLimit = 20
        }
        var jobs: [(String, Job)] = []
        for index in 0..<2 { jobs.append(("chat", try bench.submit(reply(prompt(5, seed: UInt64(index)), 1)))) }
        for index in 0..<6 { jobs.append(("label", try bench.submit(label(prompt(5, seed: UInt64(index)))))) }
        var order: [String] = []
        for _ in 0..<jobs.count {
            bench.engine.step()
            for (name, job) in jobs where job.outcome.ending != nil { order.append(name) }
            jobs.removeAll { $0.1.outcome.ending != nil }
        }
        #expect(order == ["label", "label", "label", "label", "chat", "label", "label", "chat"])
    }

    @Test func fullQueueRefusesAndTakesInAgainLater() throws {
        let bench = Bench {
            $0.maxSequences = 1
            $0.queueLimit = 2
        }
        let jobs = try (0..<3).map { _ in try bench.submit(reply([1, 2], 2)) }
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.submit(reply([1], 1)) }
        bench.engine.step()
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.submit(reply([1], 1)) }
        bench.runAll()
        #expect(jobs.allSatisfy { $0.outcome.reason == .length })
        #expect(try bench.submit(reply([1], 1)).outcome.ending == nil)
    }

    @Test func takesInAllOrNone() throws {
        let bench = Bench {
            $0.maxSequences = 1
            $0.queueLimit = 2
        }
        _ = try bench.submit(reply([1], 1))
        let three = (0..<3).map { _ in Job(reply([1], 1)) }
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.queue.submit(three) }
        #expect(bench.progress.waiting.load(ordering: .relaxed) == 1)
        try bench.queue.submit(Array(three.prefix(2)))
        #expect(bench.progress.waiting.load(ordering: .relaxed) == 3)
        bench.runAll()
        #expect(three.prefix(2).allSatisfy { $0.outcome.reason == .length })
    }

    @Test func labelsHaveALaneOfTheirOwn() throws {
        let bench = Bench {
            $0.maxSequences = 2
            $0.labelSequences = 2
            $0.queueLimit = 2
            $0.kvBlocks = 64
        }
        #expect(bench.engine.options.labelBlocks == 8)
        let chats = try (0..<4).map { try bench.submit(reply(prompt(60, seed: $0), 600)) }  // 21 blocks each
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.submit(reply([1], 1)) }
        bench.engine.step()
        #expect(bench.engine.running.count == 2)
        // Slots, blocks and places are taken, and still labels start at once, two at a time.
        for seed in 10..<16 as Range<UInt64> {
            let pair = try (0..<2).map { try bench.submit(label(prompt(60, seed: seed * 2 + $0))) }
            bench.engine.step()
            bench.engine.step()
            #expect(pair.allSatisfy { $0.outcome.reason == .constraint })
        }
        #expect(chats.allSatisfy { $0.outcome.ending == nil })
        #expect(bench.engine.running.count == 2)
        bench.runAll()
        #expect(bench.engine.pool.usedCount == 0)
    }

    @Test func repliesLeaveTheLabelsTheirBlocks() throws {
        let bench = Bench {
            $0.labelSequences = 2
            $0.kvBlocks = 64
        }
        _ = try bench.submit(reply(prompt(10, seed: 1), 32 * 40))
        _ = try bench.submit(reply(prompt(10, seed: 2), 32 * 20))
        bench.engine.step()
        #expect(bench.engine.running.count == 1)  // 41 blocks and 21 leave two
        let label = try bench.submit(label(prompt(200, seed: 3)))  // 7 of the 8
        bench.engine.step()
        #expect(bench.engine.running.count == 2)
        for _ in 0..<4 { bench.engine.step() }  // chunks of 64 beside a reply
        #expect(label.outcome.reason == .constraint)
    }

    @Test func refusesWhatCannotStartInTime() throws {
        let bench = Bench { $0.maxSequences = 1 }
        var jobs = try (0..<3).map { try bench.submit(reply(prompt(5, seed: $0), 4)) }
        bench.engine.step()
        // Nothing is known of the pace yet.
        var patient = reply([1], 1)
        patient.startWithinSeconds = 1e-9
        #expect(throws: Never.self) { jobs.append(try bench.submit(patient)) }
        bench.executor.onRun = { usleep(2_000) }
        while jobs[1].outcome.ending == nil { bench.engine.step() }
        jobs.append(try bench.submit(reply(prompt(5, seed: 9), 4)))
        var hasty = reply([2], 1)
        hasty.startWithinSeconds = 0.001
        do {
            _ = try bench.submit(hasty)
            Issue.record("taken in")
        } catch {
            guard case .overdue(let wait, let retry) = error else { throw error }
            #expect(wait >= 1 && retry == 1)
        }
        hasty.startWithinSeconds = 100
        #expect(throws: Never.self) { jobs.append(try bench.submit(hasty)) }
        bench.runAll()
        #expect(jobs[3].outcome.failure == .overdue(retryAfterSeconds: 1))
        jobs.remove(at: 3)
        #expect(jobs.allSatisfy { $0.outcome.reason == .length })
        #expect(bench.progress.outstanding.load(ordering: .relaxed) == 0)
    }

    @Test func startsAtOnceWhateverThePaceWhereThereIsRoom() throws {
        let bench = Bench { $0.maxSequences = 1 }
        bench.executor.onRun = { usleep(2_000) }
        for seed in 0..<4 as Range<UInt64> { _ = try bench.submit(reply(prompt(5, seed: seed), 3)) }
        bench.runAll()
        var hasty = reply([2], 1)
        hasty.startWithinSeconds = 0.001
        let job = try bench.submit(hasty)
        bench.engine.step()
        #expect(job.outcome.reason == .length)
    }

    @Test func measuresHowLongAGoneReadersBlocksStay() throws {
        let bench = Bench { $0.maxSequences = 1 }
        let running = try bench.submit(reply(prompt(5, seed: 1), 50))
        let waiting = try bench.submit(reply(prompt(5, seed: 2), 50))
        let settled = try bench.submit(reply(prompt(5, seed: 3), 50))
        bench.engine.step()
        running.abandon()
        waiting.abandon()
        settled.cancel()
        bench.engine.step()
        #expect(bench.metrics.cancellationTime.read().count == 2)
        #expect(bench.engine.pool.usedCount == 0)
        bench.runAll()
        settled.abandon()
        #expect(bench.metrics.cancellationTime.read().count == 2)
    }

    @Test func thoseWhoLeftTheQueueMakeRoomAtOnce() throws {
        let bench = Bench {
            $0.maxSequences = 1
            $0.queueLimit = 3
        }
        let running = try bench.submit(reply(prompt(5, seed: 1), 4))
        bench.engine.step()
        let gone = try (0..<3).map { _ in try bench.submit(reply([1], 1)) }
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.submit(reply([2], 1)) }
        for job in gone { job.abandon() }
        let next = try (0..<3).map { _ in try bench.submit(reply([2], 1)) }
        #expect(throws: AdmissionError.full(retryAfterSeconds: 1)) { try bench.submit(reply([2], 1)) }
        bench.engine.step()
        #expect(gone.allSatisfy { $0.outcome.reason == .cancelled })
        bench.runAll()
        #expect(([running] + next).allSatisfy { $0.outcome.reason == .length })
        #expect(bench.progress.outstanding.load(ordering: .relaxed) == 0)
        #expect(bench.queue.waitUntilIdle(timeoutMilliseconds: 0))
        #expect(bench.metrics.cancellationTime.read().count == 3)
    }

    @Test func cancelledInTheQueueNeverStarts() throws {
        let bench = Bench { $0.maxSequences = 1 }
        let running = try bench.submit(reply(prompt(4, seed: 1), 20))
        let queued = try bench.submit(reply([77, 77, 77], 20))
        bench.engine.step()
        queued.cancel()
        bench.engine.step()
        #expect(queued.outcome.reason == .cancelled)
        #expect(bench.progress.outstanding.load(ordering: .relaxed) == 1)
        bench.runAll()
        #expect(running.outcome.tokens == Toy.continuation(of: prompt(4, seed: 1), count: 20))
        #expect(!bench.executor.batches.joined().contains { $0.token == 77 && $0.position == 2 })
    }

    @Test(arguments: [0, 1, 3])
    func cancelFreesBlocksWithinOneStepAndStopsNoOther(stepsBefore: Int) throws {
        let bench = Bench { $0.prefillChunk = 16 }
        let other = try bench.submit(reply(prompt(4, seed: 1), 30))
        bench.engine.step()
        let cancelled = try bench.submit(reply(prompt(40, seed: 2), 30))  // three chunks of prefill
        for _ in 0..<stepsBefore + 1 { bench.engine.step() }
        #expect(bench.engine.pool.usedCount == 5)
        cancelled.cancel()
        bench.engine.step()
        #expect(bench.engine.pool.usedCount == 2)
        #expect(cancelled.outcome.reason == .cancelled)
        bench.runAll()
        #expect(other.outcome.tokens == Toy.continuation(of: prompt(4, seed: 1), count: 30))
    }

    @Test func metricsTellWhatHappened() throws {
        let bench = Bench()
        _ = bench.pin(prompt(40, seed: 1))
        let jobs = try (0..<3).map { _ in
            try bench.submit(reply(prompt(40, seed: 1) + [5, 6], 4))
        }
        bench.runAll()
        #expect(jobs.allSatisfy { $0.outcome.reason == .length })
        let metrics = bench.metrics
        #expect(metrics.promptTokens.value == 3 * 42)
        #expect(metrics.prefixCacheQueries.value == 3 * 42)
        #expect(metrics.prefixCacheHits.value == 3 * 40)
        #expect(metrics.generationTokens.value == 12)
        #expect(metrics.timeToFirstToken.read().count == 3)
        #expect(metrics.interTokenLatency.read().count == 9)
        #expect(metrics.queueTime.read().count == 3)
        #expect(metrics.prefillTime.read().count == 3)
        #expect(metrics.decodeTime.read().count == 3)
        #expect(metrics.requestsRunning.value == 0 && metrics.requestsWaiting.value == 0)
        #expect(metrics.kvCacheUsage.value == 2.0 / 64)
    }
}
