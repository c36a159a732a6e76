package import Inference
package import ModelFiles

/// One prompt to be continued: freely (a reply) or under a constraint (a label).
package struct GenerationRequest: Sendable {
    /// Ids of the model's vocabulary; at least one.
    package var prompt: [TokenID]
    /// Where to look for the prompt's beginning besides pinned prefixes, and to leave what was computed; nil: nowhere.
    package var cacheSpace: CacheSpace?
    /// Leave no more than so many of the first tokens there.
    package var maxTokensKept = Int.max
    /// Most tokens after the prompt. For a constraint: the most that it may keep and feed.
    package var maxNewTokens: Int
    /// End the reply and are never emitted.
    package var stopTokens: [TokenID]
    /// Ids from here on are never chosen: they have no token.
    package var bannedFrom: TokenID
    /// Never chosen, unless they are stop tokens as well.
    package var bannedTokens: [TokenID]
    /// Seconds after which it no longer starts but fails; refused at once if they can't be kept. nil: waits as long as
    /// it takes.
    package var startWithinSeconds: Double?
    /// nil: the most probable tokens.
    package var sampling: Sampling?
    /// Decides what follows the prompt; comes back in the result.
    package var constraint: (any TokenConstraint)?
    /// nil: no log-probabilities; else each token's own and that many best alternatives (0…20).
    package var topLogprobs: Int?

    package static let maxTopLogprobs = 20

    /// The same with a limit on its wait.
    package func starting(within seconds: Double?) -> GenerationRequest {
        var request = self
        request.startWithinSeconds = seconds
        return request
    }

    /// Whether nothing is asked of the logits but which is the greatest.
    var needsBestTokenOnly: Bool { sampling == nil && topLogprobs == nil }

    var lane: Lane { constraint == nil ? .chat : .label }

    package init(
        prompt: [TokenID],
        cacheSpace: CacheSpace? = nil,
        maxNewTokens: Int,
        stopTokens: [TokenID] = [],
        bannedFrom: TokenID = .max,
        bannedTokens: [TokenID] = [],
        sampling: Sampling? = nil,
        constraint: (any TokenConstraint)? = nil,
        topLogprobs: Int? = nil
    ) {
        self.prompt = prompt
        self.cacheSpace = cacheSpace
        self.maxNewTokens = maxNewTokens
        self.stopTokens = stopTokens
        self.bannedFrom = bannedFrom
        self.bannedTokens = bannedTokens
        self.sampling = sampling
        self.constraint = constraint
        self.topLogprobs = topLogprobs
    }
}
