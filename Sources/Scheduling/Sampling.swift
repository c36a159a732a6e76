/// How a reply's tokens are drawn at random; without it, each is the most probable one.
package struct Sampling: Sendable, Equatable {
    /// Divides the logits; above 0.
    package var temperature: Double
    /// Only the most probable tokens that together have this share of the probability are drawn from; 0…1.
    package var topP: Double
    /// The same seed draws the same tokens, whatever else runs.
    package var seed: UInt64

    package init(temperature: Double, topP: Double = 1, seed: UInt64) {
        self.temperature = temperature
        self.topP = topP
        self.seed = seed
    }

    /// Uniform in 0..<1: SplitMix64 (Steele, Lea and Flood, 2014) of the mixed seed at its `index`-th step. A counter in place
    /// of a state, so that a draw depends on seed and place alone.
    func uniform(at index: Int) -> Double {
        let golden: UInt64 = 0x9E37_79B9_7F4A_7C15
        let bits = Self.mix(Self.mix(seed &+ golden) &+ golden &* UInt64(index + 1))
        return Double(bits >> 11) * 0x1p-53
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var x = value
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }
}

extension Sampling {
    /// Draws one of several alternatives by their log-probabilities, which need not be normalised; at least one.
    package func choose(among logProbabilities: [Double]) -> Int {
        let logits = logProbabilities.map { Float(max($0, -1e30)) }
        var sampler = RandomSampler(vocabularyCount: logits.count)
        return logits.withUnsafeBufferPointer { logits in
            guard case .token(let best) = GreedySampler.choose(logits, below: .max, isBanned: { _ in false }) else {
                return 0
            }
            return Int(sampler.choose(logits, best: best, below: .max, self, index: 0) { _ in false })
        }
    }
}
