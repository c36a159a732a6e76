package import ModelFiles

/// What may come next in a sequence, decided outside the engine from exact logits.
///
/// The scheduler drives it: after the prompt's last row it asks for `allowedTokens`, computes those rows of the
/// output matrix only, and calls `advance`; it then follows the returned step and asks again until `.finished`.
/// The constraint is a value: the scheduler keeps the changing copy and hands it back with the result.
package protocol TokenConstraint: Sendable {
    /// The ids whose logits are wanted at the sequence's present last position; in a fixed order, without
    /// duplicates, at least one while the constraint is not finished, each below the model's vocabulary count.
    var allowedTokens: [TokenID] { get }

    /// Takes the logits of the present last position.
    ///
    /// - Parameter logits: `(allowedTokens.count)`, in the order of `allowedTokens`; raw, no temperature.
    /// - Returns: what the scheduler does next.
    mutating func advance(logits: UnsafeBufferPointer<Float>) -> ConstraintStep
}

/// What a `TokenConstraint` wants done next.
package enum ConstraintStep: Sendable {
    /// Keep the first `keeping` tokens after the prompt (drop the rest from the sequence), append `tokens`
    /// (at least one), run them, then ask for `allowedTokens` at the last of them.
    case feed(keeping: Int, tokens: [TokenID])
    /// No more logits are needed.
    case finished
}
