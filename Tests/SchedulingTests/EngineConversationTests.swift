import Inference
import Metrics
import ModelFiles
import Testing

@testable import Scheduling

/// Turn after turn of conversations over the toy model, whose tokens change with any wrong key or value.
@Suite struct EngineConversationTests {
    private let ours = space("ours")
    private let role = prompt(25, seed: 99)

    /// Rows computed for the tokens and positions given so far.
    private func rows(_ bench: Bench) -> Int { bench.executor.batches.reduce(0) { $0 + $1.count } }

    @Test func tenTurnsPrefillOnlyWhatIsNew() throws {
        let bench = Bench()
        _ = bench.pin(role)
        var history = role
        for turn in 0..<10 {
            let known = turn == 0 ? role.count : history.count - 1  // the last token generated was not computed
            history += prompt(15, seed: UInt64(turn))
            let before = rows(bench)
            let job = try bench.submit(reply(history, 12, in: ours))
            bench.runAll()
            let outcome = job.outcome
            #expect(outcome.tokens == Toy.continuation(of: history, count: 12))
            #expect(outcome.result?.cachedTokens == known)
            #expect(rows(bench) - before == history.count - known + 11)
            history += outcome.tokens
            #expect(bench.engine.pool.usedCount == 1)  // the role's
            #expect(bench.engine.pool.cachedCount == (history.count - 1 + 31) / 32)
        }
        #expect(bench.metrics.conversationCacheHits.value == 9)
        #expect(bench.metrics.prefixCacheHits.value == bench.metrics.conversationCacheTokens.value + 10 * 25)
        #expect(bench.metrics.prefixCacheQueries.value == bench.metrics.promptTokens.value)
        #expect(bench.metrics.kvCacheCachedBlocks.value == Double(bench.engine.pool.cachedCount))
    }

    @Test func conversationsSideBySideStayTheirOwn() throws {
        let bench = Bench {
            $0.kvBlocks = 200
            $0.prefillChunk = 16
        }
        _ = bench.pin(role)
        // The same first message, then each its own way.
        var histories = Array(repeating: role + prompt(40, seed: 5), count: 6)
        for turn in 0..<5 {
            let jobs = try histories.enumerated().map { index, history in
                try bench.submit(reply(history, 9 + index, in: space("client \(index)")))
            }
            bench.runAll()
            for (index, job) in jobs.enumerated() {
                let outcome = job.outcome
                #expect(outcome.tokens == Toy.continuation(of: histories[index], count: 9 + index))
                #expect(turn == 0 || outcome.result?.cachedTokens == histories[index].count - 18)
                histories[index] += outcome.tokens + prompt(17, seed: UInt64(turn * 10 + index))
            }
        }
    }

    @Test func spacesAndRequestsWithoutOneFindNothingOfEachOther() throws {
        let bench = Bench()
        let tokens = prompt(100, seed: 1)
        let spaces = [ours, space("theirs"), CacheSpace(name: "ours", wholeBlocksOnly: true), nil]
        for round in 0..<2 {
            for space in spaces {
                let job = try bench.submit(reply(tokens, 10, in: space))
                bench.runAll()
                let outcome = job.outcome
                #expect(outcome.tokens == Toy.continuation(of: tokens, count: 10))
                let expected = round == 0 || space == nil ? 0 : space?.wholeBlocksOnly == true ? 96 : 99
                #expect(outcome.result?.cachedTokens == expected)
            }
        }
    }

    @Test func aRunningConversationMayBeGoneOnFromTwice() throws {
        let bench = Bench()
        let tokens = prompt(70, seed: 1)
        _ = try bench.submit(reply(tokens, 10, in: ours))
        bench.runAll()
        let forks = (0..<4).map { tokens + Toy.continuation(of: tokens, count: 5) + prompt(30, seed: UInt64(10 + $0)) }
        let jobs = try forks.map { try bench.submit(reply($0, 40, in: ours)) }
        bench.engine.step()
        #expect(bench.engine.pool.usedCount == 2 + 4 * 3)
        bench.runAll()
        for (fork, job) in zip(forks, jobs) {
            let outcome = job.outcome
            #expect(outcome.tokens == Toy.continuation(of: fork, count: 40))
            #expect(outcome.result?.cachedTokens == 75)
        }
        #expect(bench.engine.pool.usedCount == 0)
    }

    /// A chunk of the prompt, all of it and some tokens.
    @Test(arguments: [1, 2, 3, 8])
    func whatACancelledRequestComputedIsKept(steps: Int) throws {
        let bench = Bench {
            $0.prefillChunk = 16
            $0.maxBatchRows = 16
        }
        let tokens = prompt(40, seed: 1)
        let cancelled = try bench.submit(reply(tokens, 30, in: ours))
        for _ in 0..<steps { bench.engine.step() }
        cancelled.cancel()
        bench.engine.step()
        #expect(cancelled.outcome.reason == .cancelled)
        let computed = steps < 3 ? 16 * steps : 40 + steps - 3
        #expect(bench.engine.pool.usedCount == 0)
        #expect(bench.engine.pool.cachedCount == (computed + 31) / 32)
        let again = try bench.submit(reply(tokens + [7], 30, in: ours))
        bench.runAll()
        #expect(again.outcome.tokens == Toy.continuation(of: tokens + [7], count: 30))
        #expect(again.outcome.result?.cachedTokens == min(computed, 40))
    }

    @Test func whatFailedIsNotKept() throws {
        let bench = Bench()
        bench.executor.poison = 96
        let sick = try bench.submit(reply(prompt(50, seed: 1) + [96], 5, in: ours))
        bench.runAll()
        #expect(sick.outcome.failure == .nonFiniteLogits(position: 50))
        #expect(bench.engine.pool.freeCount == 64)
    }

    @Test func underPressureTheOldestGoAndEveryRequestIsAdmitted() throws {
        let bench = Bench { $0.kvBlocks = 12 }
        _ = bench.pin(role)
        func ask(_ client: UInt64) throws -> Outcome {
            let tokens = role + prompt(60, seed: client)  // 3 blocks, and one for the reply
            let job = try bench.submit(reply(tokens, 30, in: ours))
            bench.runAll()
            let outcome = job.outcome
            #expect(outcome.tokens == Toy.continuation(of: tokens, count: 30))
            let pool = bench.engine.pool
            #expect(pool.freeCount + pool.cachedCount + pool.usedCount == 12 && pool.usedCount == 1)
            return outcome
        }
        for client in 0..<10 { #expect(try ask(UInt64(client)).result?.cachedTokens == 25) }
        #expect(try ask(9).result?.cachedTokens == 84)
        #expect(try ask(0).result?.cachedTokens == 25)
        // All that is not pinned.
        let large = try bench.submit(reply(prompt(300, seed: 77), 52))
        bench.engine.step()
        #expect(bench.engine.pool.usedCount == 12)
        bench.runAll()
        #expect(large.outcome.tokens == Toy.continuation(of: prompt(300, seed: 77), count: 52))
        #expect(try ask(9).result?.cachedTokens == 25)
    }

    @Test func aWaitingRequestIsAdmittedAsSoonAsWithoutACache() throws {
        for space in [nil, ours] {
            let bench = Bench { $0.kvBlocks = 8 }
            for seed in 1...3 { _ = try bench.submit(reply(prompt(60, seed: UInt64(seed)), 4, in: space)) }
            bench.runAll()
            let jobs = try [10, 20].map { try bench.submit(reply(prompt(90, seed: 4), $0, in: space)) }
            bench.engine.step()
            #expect(bench.engine.running.count == 2)
            let third = try bench.submit(reply(prompt(60, seed: 1), 30, in: space))  // 3 blocks
            bench.engine.step()
            #expect(bench.engine.running.count == 2)
            bench.runAll()
            #expect((jobs + [third]).allSatisfy { $0.outcome.reason == .length })
        }
    }
}
