import Glibc
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct RandomSamplerTests {
    private func draw(
        _ logits: [Float],
        _ sampling: Sampling,
        index: Int = 0,
        below limit: Int = .max,
        banned: Set<TokenID> = []
    ) -> TokenID {
        var sampler = RandomSampler(vocabularyCount: logits.count)
        return logits.withUnsafeBufferPointer { logits in
            let isBanned = { (token: TokenID) in banned.contains(token) }
            guard case .token(let best) = GreedySampler.choose(logits, below: limit, isBanned: isBanned) else {
                return -1
            }
            return sampler.choose(logits, best: best, below: limit, sampling, index: index, isBanned: isBanned)
        }
    }

    private func shares(_ logits: [Float], temperature: Double, topP: Double = 1, draws: Int = 20_000) -> [Double] {
        var counts = [Double](repeating: 0, count: logits.count)
        for seed in 0..<UInt64(draws) {
            counts[Int(draw(logits, Sampling(temperature: temperature, topP: topP, seed: seed)))] += 1
        }
        return counts.map { $0 / Double(draws) }
    }

    @Test(arguments: [0.5, 1, 2])
    func drawsFromTheSoftmax(temperature: Double) {
        let logits: [Float] = [0, 1, 2, -1, 0.5]
        let weights = logits.map { exp(Double($0) / temperature) }
        let sum = weights.reduce(0, +)
        for (share, weight) in zip(shares(logits, temperature: temperature), weights) {
            #expect(abs(share - weight / sum) < 0.015)  // four standard deviations
        }
    }

    @Test func staysInTheNucleus() {
        // 0.5, 0.25, 0.125, 0.125
        let logits = [1, 3, 2, 1].map { Float($0) * Float(log(2.0)) }
        let found = shares(logits, temperature: 1, topP: 0.7, draws: 6_000)
        #expect(found[0] == 0 && found[3] == 0)
        #expect(abs(found[1] - 2 / 3) < 0.025)
        #expect(shares(logits, temperature: 1, topP: 0.5, draws: 500)[1] == 1)
        #expect(shares(logits, temperature: 1, topP: 0, draws: 500)[1] == 1)
        // Of equal ones the first belongs to the nucleus.
        let tied = shares(logits, temperature: 1, topP: 0.8, draws: 6_000)
        #expect(tied[0] > 0 && tied[3] == 0)
    }

    @Test func nucleusAgreesWithSortingEverything() {
        for seed in 0..<200 {
            let logits = (0..<300).map { Float(Toy.mix(UInt64(seed * 1_000 + $0)) % 1_000) / 100 }
            let share = Double(Toy.mix(UInt64(seed)) % 100) / 100
            let weights = logits.map { exp(Double($0 - (logits.max() ?? 0))) }
            let order = weights.indices.sorted { weights[$0] > weights[$1] || (weights[$0] == weights[$1] && $0 < $1) }
            var nucleus: [Int] = []
            var mass = 0.0
            while nucleus.isEmpty || mass < share * weights.reduce(0, +) {
                mass += weights[order[nucleus.count]]
                nucleus.append(order[nucleus.count])
            }
            nucleus.sort()
            let sampling = Sampling(temperature: 1, topP: share, seed: UInt64(seed))
            var rest = sampling.uniform(at: 3) * nucleus.reduce(0.0) { $0 + weights[$1] }
            let expected = nucleus.first { id in
                rest -= weights[id]
                return rest < 0
            }
            #expect(draw(logits, sampling, index: 3) == TokenID(expected ?? -1))
        }
    }

    @Test func leavesOutBannedIdsAndThoseFromTheLimit() {
        let logits: [Float] = [0, 9, 0, 9, 9]
        for seed in 0..<200 {
            let token = draw(logits, Sampling(temperature: 2, seed: UInt64(seed)), below: 4, banned: [1, 3])
            #expect([0, 2].contains(token))
        }
    }

    @Test func theColdestIsGreedy() {
        #expect(draw([1, 1.001, 0], Sampling(temperature: 1e-300, seed: 5)) == 1)
        #expect(draw([1, 1.001, 0], Sampling(temperature: 1e-6, seed: 5)) == 1)
    }

    @Test func everyTemperatureStaysInBounds() {
        let logits = (0..<500).map { Float($0 % 97) / 7 - 3 }
        for exponent in -320...1 {
            let temperature = pow(10, Double(exponent)) * 2
            guard temperature > 0 else { continue }
            for topP in [0, 0.5, 0.999_999_999, 1] {
                let token = draw(logits, Sampling(temperature: temperature, topP: topP, seed: 1))
                #expect((0..<500).contains(token))
            }
        }
    }

    @Test func drawsDependOnSeedAndPlaceAlone() {
        let logits = [Float](repeating: 0, count: 100)
        func row(_ seed: UInt64) -> [TokenID] {
            (0..<32).map { draw(logits, Sampling(temperature: 1, seed: seed), index: $0) }
        }
        #expect(row(1) == row(1))
        #expect(Set((0..<50).map(row)).count == 50)
        #expect(Set(row(1)).count > 16)
    }

    @Test func uniformNumbersAreUniform() {
        var buckets = [Int](repeating: 0, count: 10)
        for seed in 0..<100 {
            for index in 0..<100 {
                buckets[Int(Sampling(temperature: 1, seed: UInt64(seed)).uniform(at: index) * 10)] += 1
            }
        }
        #expect(buckets.allSatisfy { abs($0 - 1_000) < 130 })
    }

    @Test func choosesAmongAlternatives() {
        let counts = (0..<4_000).reduce(into: [0, 0, 0]) { counts, seed in
            counts[Sampling(temperature: 1, seed: UInt64(seed)).choose(among: [log(0.2), log(0.8), -.infinity])] += 1
        }
        #expect(abs(Double(counts[0]) / 4_000 - 0.2) < 0.03)
        #expect(counts[2] == 0)
    }
}

@Suite struct EngineSamplingTests {
    private func sampled(_ prompt: [TokenID], seed: UInt64, count: Int = 30) -> GenerationRequest {
        var request = reply(prompt, count)
        request.sampling = Sampling(temperature: 50, topP: 0.95, seed: seed)
        return request
    }

    @Test func companyChangesNothing() throws {
        let requests = (0..<12).map { sampled(prompt(3 + 17 * $0, seed: UInt64($0)), seed: UInt64($0 / 2)) }
        let alone = try requests.map { request in
            let bench = Bench()
            let job = try bench.submit(request)
            bench.runAll()
            return job.outcome.tokens
        }
        let bench = Bench {
            $0.maxSequences = 16
            $0.kvBlocks = 400
            $0.prefillChunk = 7
        }
        let jobs = try requests.map { try bench.submit($0) }
        bench.runAll()
        #expect(jobs.map { $0.outcome.tokens } == alone)
        #expect(alone.allSatisfy { $0.count == 30 })
        #expect(alone[0] != Toy.continuation(of: requests[0].prompt, count: 30))
    }

    @Test func anotherSeedDrawsOtherTokens() throws {
        let bench = Bench { $0.queueLimit = 20 }
        let jobs = try (0..<10).map { try bench.submit(sampled(prompt(9, seed: 1), seed: $0)) }
        bench.runAll()
        #expect(Set(jobs.map { $0.outcome.tokens }).count == 10)
    }

    @Test(arguments: [(0.0, 1.0), (-1, 1), (.nan, 1), (.infinity, 1), (1, 1.5), (1, -0.1)])
    func refusesSenselessSampling(temperature: Double, topP: Double) {
        var request = reply([1], 1)
        request.sampling = Sampling(temperature: temperature, topP: topP, seed: 0)
        #expect(throws: AdmissionError.self) { try request.validate(vocabularyCount: 97, maxNewTokens: 9) }
    }
}
