import Inference
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct EngineConstraintTests {
    private let paths: [[TokenID]] = [[1, 2, 3], [1, 2, 4], [1, 5], [6], [6, 7, 8, 9], [8, 2, 3]]

    private func request(_ prompt: [TokenID]) -> GenerationRequest {
        GenerationRequest(
            prompt: prompt,
            maxNewTokens: 12,
            constraint: PathConstraint(paths: paths, allowedTokens: [0, 7, 33])
        )
    }

    private func expected(_ prompt: [TokenID]) -> [[Float]] {
        PathConstraint(paths: paths, allowedTokens: [0, 7, 33]).expected(after: prompt) {
            Toy.logit(Toy.hidden($0), $1)
        }
    }

    /// The tree's walk crosses a block border for some of these.
    @Test(arguments: [1, 29, 30, 31, 32, 61])
    func walksATreeWithRewinds(count: Int) throws {
        let bench = Bench()
        let prompt = prompt(count, seed: 1)
        let job = try bench.submit(request(prompt))
        let company = try bench.submit(reply(self.prompt(9), 30))
        bench.runAll()
        let result = try #require(job.outcome.result)
        #expect(result.reason == .constraint)
        #expect(result.generatedTokens == 3)
        let constraint = try #require(result.constraint as? PathConstraint)
        #expect(constraint.seen == expected(prompt))
        #expect(company.outcome.tokens == Toy.continuation(of: self.prompt(9), count: 30))
    }

    @Test(arguments: [20, 32, 40])
    func pinnedPrefixChangesNoLogit(prefix: Int) throws {
        let bench = Bench()
        let whole = prompt(41)
        _ = bench.pin(Array(whole.prefix(prefix)))
        let jobs = try (0..<4).map { _ in try bench.submit(request(whole)) }
        bench.runAll()
        for job in jobs {
            #expect((job.outcome.result?.constraint as? PathConstraint)?.seen == expected(whole))
        }
    }

    @Test func askingAgainAtTheSamePlaceGivesTheSame() throws {
        let bench = Bench()
        let constraint = PathConstraint(paths: [[], [], [4], []], allowedTokens: [3])
        let job = try bench.submit(
            GenerationRequest(prompt: prompt(32), maxNewTokens: 1, constraint: constraint)
        )
        bench.runAll()
        let seen = try #require((job.outcome.result?.constraint as? PathConstraint)?.seen)
        #expect(seen == constraint.expected(after: prompt(32)) { Toy.logit(Toy.hidden($0), $1) })
    }

    @Test func aConstraintNeedsOnlyItsTokensOnce() throws {
        let bench = Bench()
        let job = try bench.submit(label(prompt(10)))
        bench.engine.step()
        #expect(job.outcome.reason == .constraint)
        #expect(bench.executor.batches.count == 1)
    }

    @Test(arguments: [
        FixedConstraint(allowedTokens: []),
        FixedConstraint(allowedTokens: [97]),
        FixedConstraint(allowedTokens: [-1]),
        FixedConstraint(step: .feed(keeping: 1, tokens: [2])),
        FixedConstraint(step: .feed(keeping: -1, tokens: [2])),
        FixedConstraint(step: .feed(keeping: 0, tokens: [1, 2, 3])),
        FixedConstraint(step: .feed(keeping: 0, tokens: [97])),
    ])
    func impossibleWishesFailThatRequest(constraint: FixedConstraint) throws {
        let bench = Bench()
        let job = try bench.submit(GenerationRequest(prompt: [1], maxNewTokens: 2, constraint: constraint))
        bench.runAll()
        guard case .invalidConstraint = job.outcome.failure else {
            Issue.record("accepted")
            return
        }
        #expect(bench.engine.pool.usedCount == 0)
    }

    private func prompt(_ count: Int, seed: UInt64 = 7) -> [TokenID] {
        SchedulingTests.prompt(count, seed: seed)
    }
}
