package import ModelFiles
package import Roles
package import Tokenization

/// Turns generated tokens into what a client may see: whole characters, up to a stop text, within the role's length.
package struct ReplyAssembler {
    private var decoder: StreamingDecoder
    private var stops: StopMatcher
    private var shaper: ReplyShaper

    package init(tokenizer: Tokenizer, maxCharacters: Int, stop: [String]) {
        decoder = StreamingDecoder(tokenizer: tokenizer)
        stops = StopMatcher(stop)
        shaper = ReplyShaper(maxCharacters: maxCharacters)
    }

    /// The reply is settled whatever the model would write next.
    package var isComplete: Bool { shaper.isComplete || stops.hasMatched }

    /// What was sent so far; the whole reply once finished.
    package var text: String { shaper.text }

    /// Returns what can be sent now; may be empty.
    package mutating func append(_ token: TokenID) -> String {
        shaper.append(stops.append(decoder.append(token)))
    }

    /// modelEnded: the model chose to end. A stop text counts as the model's own end.
    package mutating func finish(modelEnded: Bool) -> ReplyEnd {
        let rest = shaper.append(stops.append(decoder.finish()) + stops.finish())
        var end = shaper.finish(modelEnded: modelEnded || stops.hasMatched)
        end.rest = rest + end.rest
        return end
    }
}
