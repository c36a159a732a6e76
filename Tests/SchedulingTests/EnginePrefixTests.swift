import Inference
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct EnginePrefixTests {
    /// Around one and two block borders, and the whole prompt being the prefix.
    @Test(arguments: [1, 31, 32, 33, 49, 63, 64, 65], [0, 1, 20])
    func pinnedPrefixChangesNoToken(prefixCount: Int, rest: Int) throws {
        let prefix = prompt(prefixCount, seed: 1)
        let whole = prefix + prompt(rest, seed: 2)
        let bench = Bench()
        _ = bench.pin(prefix)
        let jobs = try (0..<3).map { _ in try bench.submit(reply(whole, 40)) }
        bench.runAll()
        for job in jobs {
            let outcome = job.outcome
            #expect(outcome.tokens == Toy.continuation(of: whole, count: 40))
            #expect(outcome.result?.cachedTokens == min(prefixCount, whole.count - 1))
        }
        #expect(bench.engine.pool.usedCount == (prefixCount + 31) / 32)
    }

    @Test func wholeBlocksAreSharedAndThePartialOneCopied() throws {
        let bench = Bench()
        _ = bench.pin(prompt(70, seed: 1))  // 3 blocks, of which 2 whole
        for _ in 0..<4 { _ = try bench.submit(reply(prompt(70, seed: 1) + [3], 10)) }
        bench.engine.step()
        #expect(bench.engine.pool.usedCount == 3 + 4 * 1)
        #expect(bench.executor.copies == 4)
        let rows = try #require(bench.executor.batches.last)
        #expect(rows.count == 4 && rows.allSatisfy { $0.position == 70 })
    }

    @Test func unknownPrefixIsComputed() throws {
        let bench = Bench()
        _ = bench.pin(prompt(40, seed: 1))
        let other = prompt(50, seed: 2)
        let job = try bench.submit(reply(other, 10))
        bench.runAll()
        let outcome = job.outcome
        #expect(outcome.tokens == Toy.continuation(of: other, count: 10))
        #expect(outcome.result?.cachedTokens == 0)
    }

    @Test func unpinnedBlocksStayUntilTheirLastUserEnds() throws {
        let bench = Bench { $0.kvBlocks = 8 }
        let prefix = prompt(64, seed: 1)
        _ = bench.pin(prefix)
        _ = bench.pin(prefix)
        let job = try bench.submit(reply(prefix + [9], 20))
        bench.engine.step()
        #expect(bench.queue.submit(prefixJob: Job(reply(prefix, 0), purpose: .unpin)))
        bench.engine.step()
        #expect(bench.engine.prefixes.blockCount == 2)
        #expect(bench.queue.submit(prefixJob: Job(reply(prefix, 0), purpose: .unpin)))
        bench.engine.step()
        #expect(bench.engine.prefixes.blockCount == 0)
        #expect(bench.engine.pool.usedCount == 3)
        bench.runAll()
        #expect(job.outcome.tokens == Toy.continuation(of: prefix + [9], count: 20))
        #expect(bench.engine.pool.usedCount == 0)
        #expect(bench.engine.pool.cachedCount == 2)
    }

    @Test func prefixesWithTheSameBeginningShareItsBlocks() throws {
        let bench = Bench()
        let common = prompt(64, seed: 1)
        let prefixes = [common + [1, 2], common + [3, 4], prompt(20, seed: 2)]
        for prefix in prefixes { _ = bench.pin(prefix) }
        #expect(bench.engine.prefixes.blockCount == 2 + 1 + 1 + 1)
        #expect(bench.engine.pool.usedCount == 5)
        let jobs = try prefixes.map { try bench.submit(reply($0 + [7], 10)) }
        bench.runAll()
        for (prefix, job) in zip(prefixes, jobs) {
            let outcome = job.outcome
            #expect(outcome.tokens == Toy.continuation(of: prefix + [7], count: 10))
            #expect(outcome.result?.cachedTokens == prefix.count)
        }
        _ = bench.unpin(prefixes[0])
        #expect(bench.engine.prefixes.blockCount == 4)
        #expect(bench.engine.pool.usedCount == 4)
    }

    @Test func pinsThatLeaveNoRoomFailWhatWaits() throws {
        let bench = Bench { $0.kvBlocks = 4 }
        let job = try bench.submit(reply(prompt(60, seed: 1), 30))  // 3 blocks
        let pin = Job(reply(prompt(64, seed: 2), 0), purpose: .pin)
        #expect(bench.queue.submit(prefixJob: pin))
        bench.runAll()
        #expect(pin.outcome.result != nil)
        #expect(job.outcome.failure == .noRoom)
        #expect(bench.engine.pool.usedCount == 2)
    }
}
