import Glibc
import Testing

@testable import Scheduling

@Suite struct GreedySamplerTests {
    private func choose(
        _ logits: [Float],
        below limit: Int = .max,
        banned: Set<Int32> = []
    ) -> GreedySampler.Choice {
        logits.withUnsafeBufferPointer { GreedySampler.choose($0, below: limit) { banned.contains($0) } }
    }

    @Test func takesTheGreatestAndOfEqualOnesTheFirst() {
        var logits = [Float](repeating: -1, count: 100)
        logits[57] = 3
        logits[58] = 3
        logits[97] = 3
        #expect(choose(logits) == .token(57))
        #expect(choose([2, 5, 5]) == .token(1))
        #expect(choose([-0.0, 0.0]) == .token(0))
    }

    @Test func leavesOutBannedIdsAndThoseFromTheLimit() {
        var logits = (0..<80).map { Float($0) }
        #expect(choose(logits, below: 70) == .token(69))
        #expect(choose(logits, below: 70, banned: [69, 68]) == .token(67))
        logits[75] = .nan
        #expect(choose(logits, below: 70) == .token(69))
        #expect(choose([1, 2], banned: [0, 1]) == .nothingAllowed)
        #expect(choose([]) == .nothingAllowed)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity], [0, 20, 49])
    func noticesWhatIsNotFinite(bad: Float, index: Int) {
        var logits = (0..<50).map { Float($0) }
        logits[index] = bad
        #expect(choose(logits) == .nonFinite)
    }

    @Test func agreesWithAPlainLoop() {
        for count in 1...70 {
            let logits = (0..<count).map { _ in Float(Int.random(in: -9...9)) }
            let best = logits.indices.reduce(0) { logits[$1] > logits[$0] ? $1 : $0 }
            #expect(choose(logits) == .token(Int32(best)))
        }
    }

    @Test func logprobsAreALogSoftmax() {
        let logits: [Float] = [1, 3, 2, 3, 7]  // the last has no token
        let result = logits.withUnsafeBufferPointer { GreedySampler.logprobs($0, chosen: 1, top: 3, below: 4) }
        let sum = logits[..<4].reduce(0.0) { $0 + exp(Double($1)) }
        #expect(result.chosen.token == 1)
        #expect(abs(Double(result.chosen.logprob) - (3 - log(sum))) < 1e-6)
        #expect(result.top.map(\.token) == [1, 3, 2])
        #expect(result.top[0].logprob == result.top[1].logprob)
        #expect(abs(Double(result.top[2].logprob) - (2 - log(sum))) < 1e-6)
    }

    @Test func logprobsWithoutAlternatives() {
        let result = [Float](arrayLiteral: 0, 0).withUnsafeBufferPointer {
            GreedySampler.logprobs($0, chosen: 0, top: 0, below: 2)
        }
        #expect(result.top.isEmpty)
        #expect(abs(result.chosen.logprob - Float(log(0.5))) < 1e-6)
    }
}
