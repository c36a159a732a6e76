package import Inference
package import ModelFiles

/// What a request's stream yields: tokens, then exactly one ending.
package enum GenerationEvent: Sendable {
    case token(TokenID)
    case finished(GenerationResult)
    case failed(GenerationFailure)
}

/// How a request ended and what it cost.
package struct GenerationResult: Sendable {
    package enum Reason: String, Sendable {
        /// A stop token came.
        case stop
        /// maxNewTokens were emitted.
        case length
        /// The constraint is satisfied.
        case constraint
        /// cancel() was called, or the handle was dropped.
        case cancelled
    }

    package var reason: Reason
    package var promptTokens: Int
    /// Prompt tokens that came from a pinned prefix or an earlier request.
    package var cachedTokens = 0
    /// Tokens emitted; for a constraint, those kept after the prompt at its end.
    package var generatedTokens = 0
    /// Submission to admission, admission to the prompt's end, from there to the end.
    package var queueSeconds = 0.0
    package var prefillSeconds = 0.0
    package var decodeSeconds = 0.0
    /// The request's constraint in its final state.
    package var constraint: (any TokenConstraint)?
}

/// Why one request ended without a result; the others go on.
package enum GenerationFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// NaN or infinity among the logits that follow this position.
    case nonFiniteLogits(position: Int)
    /// Every id is banned.
    case nothingAllowed
    /// The constraint asked for the impossible.
    case invalidConstraint(String)
    /// Pinned prefixes grew after submission and left too few KV blocks.
    case noRoom
    /// It waited longer than it may; worth trying again after so many seconds (1…60).
    case overdue(retryAfterSeconds: Int)
    /// The engine was stopped.
    case stopped

    package var description: String {
        switch self {
        case .nonFiniteLogits(let position):
            "the model produced non-finite logits after position \(position); check the model file"
        case .nothingAllowed:
            "every token id is banned; leave at least one id below bannedFrom"
        case .invalidConstraint(let what):
            "the constraint \(what); check the label set"
        case .noRoom:
            "pinned prefixes leave too few KV blocks for this request; raise the number of KV blocks"
        case .overdue(let seconds):
            "the request has waited as long as it may; try again in \(seconds) s"
        case .stopped:
            "the engine was stopped before the request ended; send it again"
        }
    }
}

/// Log-probabilities (natural, softmax over the whole vocabulary) of one emitted token and its best alternatives.
package struct TokenLogprobs: Sendable, Equatable {
    package struct Entry: Sendable, Equatable {
        package var token: TokenID
        package var logprob: Float

        package init(token: TokenID, logprob: Float) {
            self.token = token
            self.logprob = logprob
        }
    }

    package var chosen: Entry
    /// Best first, ties by lower id.
    package var top: [Entry]

    package init(chosen: Entry, top: [Entry]) {
        self.chosen = chosen
        self.top = top
    }
}
