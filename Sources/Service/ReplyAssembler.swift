package import ModelFiles
package import Roles
package import Scheduling
package import Tokenization

/// Turns generated tokens into what a client may see: whole characters, up to a stop text, within the role's length.
package struct ReplyAssembler {
    private var decoder: StreamingDecoder
    private var stops: StopMatcher
    private var shaper: ReplyShaper
    private var tokens = SentTokens()
    private var isFinished = false
    private let tokenizer: Tokenizer

    package init(tokenizer: Tokenizer, maxCharacters: Int, stop: [String]) {
        self.tokenizer = tokenizer
        decoder = StreamingDecoder(tokenizer: tokenizer)
        stops = StopMatcher(stop)
        shaper = ReplyShaper(maxCharacters: maxCharacters)
    }

    /// The reply is settled whatever the model would write next.
    package var isComplete: Bool { shaper.isComplete || stops.hasMatched }

    /// What was sent so far; the whole reply once finished.
    package var text: String { shaper.text }

    /// Returns what can be sent now; may be empty.
    ///
    /// - Parameter logprobs: the token's, if it is to be among the `takeTokens`.
    package mutating func append(_ token: TokenID, logprobs: TokenLogprobs? = nil) -> String {
        let text = decoder.append(token)
        if let logprobs {
            let bytes = tokenizer.bytes(of: token)
            tokens.append(logprobs, bytes: bytes, text: text, incompleteBytes: decoder.incompleteBytes)
        }
        return shaper.append(stops.append(text))
    }

    /// modelEnded: the model chose to end. A stop text counts as the model's own end.
    package mutating func finish(modelEnded: Bool) -> ReplyEnd {
        // A character that a limit of tokens cut in half was never written.
        let last = modelEnded ? decoder.finish() : ""
        let rest = shaper.append(stops.append(last) + stops.finish())
        var end = shaper.finish(modelEnded: modelEnded || stops.hasMatched)
        end.rest = rest + end.rest
        isFinished = true
        return end
    }

    /// The tokens that were sent in whole since the last call; of a finished reply, all the rest.
    mutating func takeTokens() -> [SentToken] { tokens.take(upTo: shaper.source, isEnd: isFinished) }
}
