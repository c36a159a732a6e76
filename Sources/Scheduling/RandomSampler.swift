import Glibc
import ModelFiles

/// Draws from the softmax of logits at a temperature, within a nucleus (top-p, Holtzman et al., arXiv 1904.09751). All
/// sums run in a fixed order, so equal logits, seed and place give the equal token.
struct RandomSampler {
    /// What can be drawn, with its weight relative to the best one's. Room for every id is taken once.
    private var candidates: [(token: TokenID, weight: Double)] = []

    /// The candidates' weight by their distance to the best logit, in steps of 1/16.
    private var bucketMasses = [Double](repeating: 0, count: buckets)
    private static let bucketsPerUnit = 16.0
    private static let buckets = Int(-negligible * bucketsPerUnit) + 1

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
        if sampling.topP < 1 {
            mass = keepNucleus(of: sampling.topP, mass) { token in
                let distance = Double(greatest - logits[Int(token)]) / sampling.temperature
                return min(Int(distance * Self.bucketsPerUnit), Self.buckets - 1)
            }
        }
        var rest = sampling.uniform(at: index) * mass
        for candidate in candidates {
            rest -= candidate.weight
            if rest < 0 { return candidate.token }
        }
        return candidates.last?.token ?? best
    }

    /// Keeps the fewest candidates, most probable first and of equals those of lower ids, that have the share; their weight.
    ///
    /// Buckets of nearly equal logits tell where the share is reached, so that only one of them has to be sorted.
    private mutating func keepNucleus(of share: Double, _ mass: Double, bucket: (TokenID) -> Int) -> Double {
        for index in bucketMasses.indices { bucketMasses[index] = 0 }
        for candidate in candidates { bucketMasses[bucket(candidate.token)] += candidate.weight }
        var kept = 0.0
        var edge = 0
        while edge < bucketMasses.count - 1, kept + bucketMasses[edge] < share * mass {
            kept += bucketMasses[edge]
            edge += 1
        }
        let sorted = candidates.filter { bucket($0.token) == edge }
            .sorted { $0.weight > $1.weight || ($0.weight == $1.weight && $0.token < $1.token) }
        let last = sorted.first { candidate in
            kept += candidate.weight
            return kept >= share * mass
        }
        guard let last = last ?? sorted.last else { return mass }  // rounding left the share just out of reach
        candidates.removeAll { candidate in
            let place = bucket(candidate.token)
            if place != edge { return place > edge }
            return candidate.weight < last.weight
                || (candidate.weight == last.weight && candidate.token > last.token)
        }
        return candidates.reduce(0) { $0 + $1.weight }
    }
}
