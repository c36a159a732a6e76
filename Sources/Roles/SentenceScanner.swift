/// Finds where sentences end, one grapheme cluster at a time. The rules, by a grapheme's first scalar:
///
/// - `。！？!?…` end a sentence; so do `～~`, except right after a digit (`3~5天`).
/// - `.` ends one when white space or the end of the text follows (closing marks and emoji may stand between),
///   except right after a digit (`3.5`, the `1.` of a list).
/// - A line break ends whatever stands before it.
/// - More end marks, closing marks `”’」』）)】》〉` and emoji directly after an end belong to the sentence.
/// - White space after an end belongs to the sentence that follows.
///
/// A sentence is known to be complete when the grapheme after it begins, or by the end of the text.
struct SentenceScanner {
    private enum State {
        /// Between sentences; only white space so far.
        case gap
        case body
        /// After `.`; an end if white space follows.
        case afterDot
        /// After an end mark; what follows may still belong to the sentence.
        case ending
    }

    private var state = State.gap
    private var isAfterDigit = false

    /// Takes the next grapheme's first scalar; true if a sentence ends right before it.
    mutating func advance(_ scalar: Unicode.Scalar) -> Bool {
        let kind = Kind(scalar)
        let previous = state
        switch (state, kind) {
        case (.gap, .space), (.gap, .lineBreak), (.afterDot, .tail), (.ending, .tail), (.ending, .dot),
            (.ending, .softMark), (.body, .space):
            break
        case (.body, .lineBreak), (.afterDot, .space), (.afterDot, .lineBreak), (.ending, .space),
            (.ending, .lineBreak):
            state = .gap
        case (_, .mark):
            state = .ending
        case (_, .softMark):
            state = isAfterDigit ? .body : .ending
        case (_, .dot):
            state = isAfterDigit ? .body : .afterDot
        case (_, .tail), (_, .digit), (_, .other):
            state = .body
        }
        isAfterDigit = kind == .digit
        switch previous {
        case .gap: return false
        case .body, .afterDot: return state == .gap
        case .ending: return state != .ending
        }
    }

    /// Whether a text that stops here without the model having ended it stops at a sentence's end.
    var isAtSentenceEnd: Bool { state != .body }
}

extension SentenceScanner {
    fileprivate enum Kind {
        case space, lineBreak, mark, softMark, dot, tail, digit, other

        init(_ scalar: Unicode.Scalar) {
            switch scalar {
            case "。", "！", "？", "!", "?", "…": self = .mark
            case "～", "~": self = .softMark
            case ".": self = .dot
            case "”", "’", "」", "』", "）", ")", "】", "》", "〉": self = .tail
            case "\n", "\r", "\u{0B}", "\u{0C}", "\u{85}", "\u{2028}", "\u{2029}": self = .lineBreak
            default:
                let properties = scalar.properties
                if properties.isWhitespace {
                    self = .space
                } else if properties.generalCategory == .decimalNumber {
                    self = .digit
                } else {
                    self = properties.isEmoji && !scalar.isASCII ? .tail : .other
                }
            }
        }
    }
}
