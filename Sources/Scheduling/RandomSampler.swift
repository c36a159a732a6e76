import Glibc
import ModelFiles

/// Draws from the softmax of logits at a temperature, within a nucleus (top-p, Holtzman et al., arXiv 1904.09751). All
/// sums run in a fixed order, so equal logits, seed and place give the equal token.
struct RandomSampler {
    /// What can be drawn, with its weight relative to the best one's. Room for every id is taken once.
    private var candidates: [(token: TokenID, weight: Double)] = []

    /// Weights below this share of the best one's vanish in a double's rounding, however many there are.
    private static let negligible = -50.0

    init(vocabularyCount: Int) {
        candidates = Array(repeating: (0, 0), count: vocabularyCount)  // touches the memory
    }

    static func memoryBytes(vocabularyCount: Int) -> Int {
        vocabularyCount * MemoryLayout<(token: TokenID, weight: Double)>.stride
    }

    /// - Parameters:
    ///   - logits: finite below `limit`.
    ///   - best: the greatest logit that may be chosen.
    ///   - index: which draw this is of the request's.
    mutating func choose(
        _ logits: UnsafeBufferPointer<Float>,
        best: TokenID,
        below limit: Int,
        _ sampling: Sampling,
        index: Int,
        isBanned: (TokenID) -> Bool
    ) -> TokenID {
        let count = min(limit, logits.count)
        let greatest = logits[Int(best)]
        let least = greatest + Float(Self.negligible * sampling.temperature)
        candidates.removeAll(keepingCapacity: true)
        for id in 0..<count where logits[id] >= least && !isBanned(TokenID(id)) {
            let weight = exp(Double(logits[id] - greatest) / sampling.temperature)
            candidates.append((TokenID(id), weight))
        }
        var mass = candidates.reduce(0.0) { $0 + $1.weight }
        if sampling.topP < 1 { mass = keepNucleus(of: sampling.topP, mass) }
        var rest = sampling.uniform(at: index) * mass
        for candidate in candidates {
            rest -= candidate.weight
            if rest < 0 { return candidate.token }
        }
        return candidates.last?.token ?? best
    }

    /// Keeps the fewest candidates, most probable first, that have the share; returns their weight.
    private mutating func keepNucleus(of share: Double, _ mass: Double) -> Double {
        // Those below the mean of what may be left out do not reach the nucleus, even all together: no need to sort them.
        let floor = (1 - share) * mass / Double(candidates.count)
        candidates.removeAll { $0.weight < floor }
        candidates.sort { $0.weight > $1.weight || ($0.weight == $1.weight && $0.token < $1.token) }
        var kept = 0.0
        var count = 0
        repeat {
            kept += candidates[count].weight
            count += 1
        } while count < candidates.count && kept < share * mass
        candidates.removeLast(candidates.count - count)
        return kept
    }
}
