/// Turns what the model writes into a reply within the role's length, sendable piece by piece.
///
/// A reply is the longest run of complete sentences (`SentenceScanner`), as the model wrote them, within
/// `maxCharacters` grapheme clusters and four times as many Unicode scalars; the caller bounds the tokens. If the first
/// sentence alone is too long, it is cut at the last grapheme that leaves room for `…` (which is not counted among the
/// scalars); nothing else is ever appended. White space around the reply is dropped. The model's own end completes a
/// sentence that lacks an end mark.
///
/// In a stream the first sentence goes out as it comes, held back by what the cut may need; each later sentence goes
/// out when it is complete. The last grapheme is always held back: a joiner or a mark may still change it. What was
/// sent is thus a prefix of the reply, and the reply depends on the text alone, not on how it was cut into pieces.
///
/// Holds at most the graphemes of one reply and one piece of text.
package struct ReplyShaper: Sendable {
    private let maxCharacters: Int
    private let maxScalars: Int
    private var scanner = SentenceScanner()
    /// The last grapheme, which may still grow.
    private var open = ""
    /// Closed graphemes after those sent; `solid` of them without the white space at the end.
    private var held: [Character] = []
    private var solid = 0
    /// Graphemes begun and scalars closed since the reply's first grapheme, white space included.
    private var characters = 0
    private var scalars = 0
    /// Graphemes sent.
    private var sentCharacters = 0
    private var isInFirstSentence = true
    /// UTF-8 bytes of white space before the reply.
    private var skipped = 0
    /// `…` was appended.
    private var isCut = false

    /// What was sent so far; the whole reply once finished.
    package private(set) var text = ""
    /// Which UTF-8 bytes of the given text were sent; a cut's `…` is not of them.
    package var source: Range<Int> { skipped..<skipped + text.utf8.count - (isCut ? "…".utf8.count : 0) }
    /// The reply is settled whatever follows: stop generating.
    package private(set) var isComplete = false

    package init(maxCharacters: Int) {
        self.maxCharacters = max(1, maxCharacters)
        maxScalars = 4 * self.maxCharacters
    }

    /// - Parameter piece: whole scalars, in the order generated.
    /// - Returns: what can be sent now; may be empty.
    package mutating func append(_ piece: String) -> String {
        guard !isComplete, !piece.isEmpty else { return "" }
        let sentBefore = text.utf8.count
        let graphemes = Array(open + piece)
        for (index, grapheme) in graphemes.enumerated() {
            if index > 0 || open.isEmpty { begin(grapheme) }
            checkScalars(grapheme)
            if isComplete { break }
            if index < graphemes.count - 1 { close(grapheme) }
        }
        open = isComplete ? "" : graphemes.last.map(String.init) ?? ""
        return sent(since: sentBefore)
    }

    /// Takes the end of the text. Further calls change nothing.
    ///
    /// - Parameter modelEnded: the model chose to end, rather than being stopped.
    package mutating func finish(modelEnded: Bool) -> ReplyEnd {
        guard !isComplete else { return ReplyEnd(rest: "", reason: .length, isCut: isCut) }
        let sentBefore = text.utf8.count
        if let last = open.first { close(last) }
        if modelEnded || scanner.isAtSentenceEnd {
            completeSentence()
        } else if isInFirstSentence {
            cut()
        }
        open = ""
        held = []
        isComplete = true
        return ReplyEnd(rest: sent(since: sentBefore), reason: modelEnded ? .stop : .length, isCut: isCut)
    }

    /// A grapheme's first scalar decides what it is; this may complete the sentence before it.
    private mutating func begin(_ grapheme: Character) {
        guard let first = grapheme.unicodeScalars.first else { return }
        if scanner.advance(first) { completeSentence() }
        if characters == 0, grapheme.isWhitespace { return }
        characters += 1
        if characters > maxCharacters, !grapheme.isWhitespace { exceed() }
    }

    /// The grapheme is known in full.
    private mutating func close(_ grapheme: Character) {
        if characters == 0 {
            skipped += grapheme.utf8.count
            return
        }
        scalars += grapheme.unicodeScalars.count
        // White space beyond the limit is never sent: nothing that could follow it fits.
        if characters > maxCharacters || scalars > maxScalars { return }
        held.append(grapheme)
        if grapheme.isWhitespace { return }
        solid = held.count
        // A cut keeps at least these: they leave room for `…`.
        if isInFirstSentence { send(upTo: solid, leavingRoom: true) }
    }

    private mutating func checkScalars(_ grapheme: Character) {
        let own = grapheme.unicodeScalars.count
        if own > maxScalars || (!grapheme.isWhitespace && scalars + own > maxScalars) { exceed() }
    }

    private mutating func completeSentence() {
        send(upTo: solid, leavingRoom: false)
        if sentCharacters > 0 { isInFirstSentence = false }
    }

    /// The sentence in progress is longer than what is left of the limit.
    private mutating func exceed() {
        guard !isComplete else { return }
        isComplete = true
        if isInFirstSentence { cut() }
        held = []
    }

    private mutating func cut() {
        guard characters > 0 else { return }
        send(upTo: held.count, leavingRoom: true)
        text.unicodeScalars.append("…")
        isCut = true
    }

    /// Sends held graphemes, up to `count` of them or, leaving room for `…`, until the reply has one less than it may.
    private mutating func send(upTo count: Int, leavingRoom: Bool) {
        let most = leavingRoom ? min(count, maxCharacters - 1 - sentCharacters) : count
        guard most > 0 else { return }
        for grapheme in held[..<most] {
            text.append(grapheme)
        }
        sentCharacters += most
        held.removeFirst(most)
        solid = max(0, solid - most)
    }

    private func sent(since count: Int) -> String {
        String(decoding: text.utf8.dropFirst(count), as: UTF8.self)
    }
}

/// How a reply ended.
package struct ReplyEnd: Sendable, Equatable {
    package enum Reason: String, Sendable {
        /// The model's own end, with nothing left out.
        case stop
        /// Cut by the role's length, or generation was stopped.
        case length
    }

    /// What is left to send.
    package var rest: String
    /// `finish_reason` of the OpenAI API.
    package var reason: Reason
    /// Ended within its first sentence, by `…`.
    package var isCut = false
}
