import Glibc
import Inference
import ModelFiles

/// Chooses the next token of a reply.
enum GreedySampler {
    enum Choice: Equatable {
        case token(TokenID)
        /// NaN or infinity among the logits: nothing can be said.
        case nonFinite
        case nothingAllowed
    }

    /// Index of the greatest logit below `limit` that is not banned; ties take the lowest.
    static func choose(
        _ logits: UnsafeBufferPointer<Float>,
        below limit: Int,
        isBanned: (TokenID) -> Bool
    ) -> Choice {
        let count = min(limit, logits.count)
        guard count > 0, let base = logits.baseAddress else { return .nothingAllowed }
        let raw = UnsafeRawPointer(base)
        var best = -Float.infinity
        var bestIndex = -1
        func consider(_ range: Range<Int>) {
            for index in range where logits[index] > best && !isBanned(TokenID(index)) {
                best = logits[index]
                bestIndex = index
            }
        }
        var zeros = SIMD16<Float>.zero  // x * 0 is 0 for every finite x, NaN for the others
        var index = 0
        while index + 16 <= count {
            let lanes = raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Float>.stride, as: SIMD16<Float>.self)
            zeros += lanes * 0
            if any(lanes .> best) { consider(index..<index + 16) }
            index += 16
        }
        consider(index..<count)
        guard all(zeros .== 0), logits[index..<count].allSatisfy(\.isFinite) else { return .nonFinite }
        return bestIndex < 0 ? .nothingAllowed : .token(TokenID(bestIndex))
    }

    /// The same choice where only these can be the greatest; they ascend.
    static func choose(among rivals: Rivals, isBanned: (TokenID) -> Bool) -> Choice {
        guard rivals.logits.allSatisfy(\.isFinite) else { return .nonFinite }
        var best: (token: TokenID, logit: Float)?
        for (token, logit) in zip(rivals.tokens, rivals.logits) where !isBanned(token) {
            if logit > best?.logit ?? -.infinity { best = (token, logit) }
        }
        return best.map { .token($0.token) } ?? .nothingAllowed
    }

    /// Log-softmax over the logits below `limit`, summed in order of id.
    static func logprobs(
        _ logits: UnsafeBufferPointer<Float>,
        chosen: TokenID,
        top: Int,
        below limit: Int
    ) -> TokenLogprobs {
        let logits = logits.prefix(limit)
        let maximum = logits.max() ?? 0
        let sum = logits.reduce(0.0) { $0 + exp(Double($1 - maximum)) }
        func entry(_ index: Int) -> TokenLogprobs.Entry {
            .init(token: TokenID(index), logprob: Float(Double(logits[index] - maximum) - log(sum)))
        }
        var best: [Int] = []
        var least = -Float.infinity  // to be beaten once `best` is full
        for index in 0..<(top > 0 ? logits.count : 0) where best.count < top || logits[index] > least {
            let place = best.firstIndex { logits[$0] < logits[index] } ?? best.count
            best.insert(index, at: place)
            if best.count > top { best.removeLast() }
            least = best.last.map { logits[$0] } ?? least
        }
        return TokenLogprobs(chosen: entry(Int(chosen)), top: best.map(entry))
    }
}
