package import ModelFiles

/// Turns token ids into text as they come. Each string holds whole characters (Unicode scalars) only: bytes that may still
/// become a character wait (at most 3), bytes that cannot become U+FFFD.
package struct StreamingDecoder: Sendable {
    private let tokenizer: Tokenizer
    private var pending: [UInt8] = []

    package init(tokenizer: Tokenizer) {
        self.tokenizer = tokenizer
    }

    /// Bytes of a character that is not complete yet.
    package var incompleteBytes: Int { pending.count }

    /// The text that `id` completes; empty while a character is incomplete and for control tokens and ids without a token.
    package mutating func append(_ id: TokenID) -> String {
        pending += tokenizer.bytes(of: id)
        return takeText(atEnd: false)
    }

    /// Ends the stream: what is left of an incomplete character becomes one U+FFFD.
    package mutating func finish() -> String {
        takeText(atEnd: true)
    }

    private mutating func takeText(atEnd: Bool) -> String {
        var text: [UInt8] = []
        var position = 0
        while position < pending.count {
            let step = UTF8Decoding.step(pending.span, at: position)
            if step.kind == .incomplete, !atEnd { break }
            UTF8Decoding.append(step.scalar, to: &text)
            position += step.length
        }
        pending.removeFirst(position)
        return String(decoding: text, as: UTF8.self)
    }
}
