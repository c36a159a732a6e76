import CKernels
package import ModelFiles

/// The greatest logit without the whole output matrix: a coarse copy of it is read, a bound says which tokens may have the
/// greatest exact logit, and of these alone the exact ones are computed.
extension ComputeContext {
    package var hasCoarseOutput: Bool { model.hasCoarseOutput }

    /// Coarse logits of several outputs, below `maxLogits`; read them with `logits(output:)`. The exact ones where there is no
    /// coarse output matrix.
    package func computeCoarseLogits(outputs: Range<Int>) {
        computeLogits(outputs: outputs, with: model.weights.coarseHead?.matrix ?? model.weights.lmHead.packed)
    }

    /// The tokens below `limit` whose exact logit may be at least that of `best`, `best` among them, ascending, with their
    /// exact logits: the same bits as in the full ones. Valid until the next call; nil when there are too many to be worth it.
    ///
    /// - Parameter output: one whose coarse logits are computed, and nothing else since.
    package func rivals(of best: TokenID, output: Int, below limit: Int) -> Rivals? {
        guard var coarse = model.weights.coarseHead, let room = rivalRoom else { return nil }
        room.tokens[0] = best
        computeLogits(output: output, tokens: UnsafeBufferPointer(rebasing: room.tokens[..<1]), into: room.logits)
        var final = activations.final
        let quantized = model.weights.lmHead.takesQuantizedInput
        let margin = ck_coarse_margin(&final, output, model.configuration.hiddenSize, quantized)
        let coarseLogits = logits(output: output)
        let count = ck_coarse_candidates(
            &coarse,
            margin,
            coarseLogits.baseAddress,
            room.logits[0],
            min(limit, coarseLogits.count),
            room.tokens.baseAddress,
            room.tokens.count
        )
        guard count <= room.tokens.count else { return nil }
        let tokens = UnsafeBufferPointer(rebasing: room.tokens[..<count])
        computeLogits(output: output, tokens: tokens, into: room.logits)
        return Rivals(tokens: tokens, logits: UnsafeBufferPointer(start: room.logits, count: count))
    }
}

/// Tokens and their exact logits.
package struct Rivals {
    package let tokens: UnsafeBufferPointer<TokenID>
    package let logits: UnsafeBufferPointer<Float>

    package init(tokens: UnsafeBufferPointer<TokenID>, logits: UnsafeBufferPointer<Float>) {
        (self.tokens, self.logits) = (tokens, logits)
    }
}

/// Memory for as many rivals as are worth it: each costs a panel of 16 rows of the exact matrix, on one thread.
final class RivalRoom {
    let tokens: UnsafeMutableBufferPointer<TokenID>
    let logits: UnsafeMutablePointer<Float>

    init(vocabularyCount: Int) {
        let limit = max(16, vocabularyCount / 128)
        tokens = .allocate(capacity: limit)
        logits = .allocate(capacity: limit)
    }

    deinit {
        tokens.deallocate()
        logits.deallocate()
    }
}
