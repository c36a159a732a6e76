import Inference
import Metrics
import ModelFiles
import Testing

@testable import Scheduling

/// Greedy replies by way of the coarse output matrix: the same tokens, on only where it pays.
@Suite struct CoarseOutputTests {
    private func tokens(_ bench: Bench, _ requests: [GenerationRequest]) throws -> [Outcome] {
        let jobs = try requests.map { try bench.submit($0) }
        bench.runAll()
        return jobs.map(\.outcome)
    }

    @Test(arguments: [0, 0.5, 5] as [Float])
    func tokensAreThoseOfTheExactLogits(error: Float) throws {
        let bench = Bench()
        bench.executor.coarseError = error
        let prompts = (0..<3).map { prompt(5, seed: UInt64($0)) }
        let outcomes = try tokens(bench, prompts.map { reply($0, 40) })
        #expect(outcomes.map(\.tokens) == prompts.map { Toy.continuation(of: $0, count: 40) })
        #expect(bench.metrics.coarseProved.value > 0)
        #expect(bench.metrics.coarseProved.value + bench.metrics.coarseUnproved.value <= 120)
    }

    @Test func bannedTokensAndTheVocabularysEndHold() throws {
        let plain = Bench(), coarse = Bench()
        coarse.executor.coarseError = 1
        let requests = (0..<4).map { seed in
            var request = reply(prompt(6, seed: UInt64(seed)), 60)
            request.bannedFrom = 80
            request.bannedTokens = Array(0..<40)
            return request
        }
        #expect(try tokens(coarse, requests).map(\.tokens) == tokens(plain, requests).map(\.tokens))
        #expect(coarse.metrics.coarseProved.value > 0)
    }

    @Test func onlyStepsThatNeedNoLogitsGoThatWay() throws {
        let bench = Bench { $0.maxSequences = 8 }
        bench.executor.coarseError = 0
        var sampled = reply(prompt(5, seed: 1), 10)
        sampled.sampling = Sampling(temperature: 1, topP: 1, seed: 1)
        var scored = reply(prompt(5, seed: 2), 10)
        scored.topLogprobs = 2
        _ = try tokens(bench, [sampled])
        _ = try tokens(bench, [scored, reply(prompt(5, seed: 3), 10)])
        #expect(bench.executor.coarsePasses.isEmpty)
        _ = try tokens(bench, (0..<5).map { reply(prompt(5, seed: UInt64($0)), 10) })
        #expect(bench.executor.coarsePasses.isEmpty)
        _ = try tokens(bench, (0..<4).map { reply(prompt(5, seed: UInt64($0)), 10) })
        #expect(bench.executor.coarsePasses == Array(repeating: 0..<4, count: 10))
    }

    @Test func whereNothingIsProvedItIsRarelyTried() throws {
        let bench = Bench()
        bench.executor.coarseError = 1e6
        let outcomes = try tokens(bench, [reply(prompt(5, seed: 1), 400)])
        #expect(outcomes[0].tokens == Toy.continuation(of: prompt(5, seed: 1), count: 400))
        // Pauses of 1, 2, 4 … 64, 64 …
        #expect((8...12).contains(bench.metrics.coarseUnproved.value))
        #expect(bench.metrics.coarseProved.value == 0)
    }

    @Test func logitsThatAreNoNumbersFailTheReply() throws {
        let bench = Bench()
        bench.executor.coarseError = 0.5
        bench.executor.poison = 7
        let outcomes = try tokens(bench, [reply([1, 7], 10)])
        guard case .nonFiniteLogits = outcomes[0].failure else {
            Issue.record("\(outcomes[0])")
            return
        }
    }

    @Test(arguments: [TensorType.f32, .f16, .q8_0])
    func aRealModelSaysTheSame(type: TensorType) throws {
        let prompts = (0..<12).map { prompt(1 + 5 * $0, seed: UInt64($0)) }
        func replies(coarse: Bool) throws -> [[TokenID]] {
            let scheduler = try makeModelScheduler(makeRandomModel(type, coarseOutput: coarse)) { $0.maxSequences = 3 }
            return try prompts.map { try scheduler.submit(reply($0, 40)) }.map { $0.outcome().tokens }
        }
        #expect(try replies(coarse: true) == replies(coarse: false))
    }
}
