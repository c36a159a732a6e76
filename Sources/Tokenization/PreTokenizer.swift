/// Splits text into the pieces within which merges happen, exactly as Qwen2's pattern does with leftmost alternatives,
/// greedy repetition and backtracking:
///
///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
///
/// Every character matches some alternative, so the pieces cover the text.
struct PreTokenizer {
    /// The pattern as tokenizer.json writes it.
    static let pattern =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#

    private let properties = CharacterProperties.shared

    private struct Character {
        var scalar: UInt32
        var characterClass: CharacterClass
        /// The position after it.
        var end: Int

        var isNewline: Bool { scalar == 0x0A || scalar == 0x0D }
    }

    /// The end of the piece that begins at `start`, which must be a character boundary inside the well-formed `text`.
    func pieceEnd(in text: borrowing Span<UInt8>, from start: Int) -> Int {
        let first = character(in: text, at: start)
        if first.scalar == 0x27, let end = contractionEnd(in: text, after: first.end) { return end }
        switch first.characterClass {
        case .letter: return runEnd(in: text, from: first.end, of: .letter)
        case .number: return first.end
        case .other:
            let end = runEnd(in: text, from: first.end, of: .letter)
            return end > first.end ? end : symbolsEnd(in: text, from: first.end)
        case .space: return spaceEnd(in: text, first: first, start: start)
        }
    }

    @inline(__always)
    private func character(in text: borrowing Span<UInt8>, at position: Int) -> Character {
        let step = UTF8Decoding.step(text, at: position)
        return Character(
            scalar: step.scalar,
            characterClass: properties.characterClass(step.scalar),
            end: position + step.length
        )
    }

    @inline(__always)
    private func runEnd(in text: borrowing Span<UInt8>, from start: Int, of kind: CharacterClass) -> Int {
        var end = start
        while end < text.count {
            let next = character(in: text, at: end)
            guard next.characterClass == kind else { break }
            end = next.end
        }
        return end
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d` in either case; U+017F folds to s.
    private func contractionEnd(in text: borrowing Span<UInt8>, after apostrophe: Int) -> Int? {
        guard apostrophe < text.count else { return nil }
        switch text[apostrophe] | 0x20 {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return apostrophe + 1
        case UInt8(ascii: "r"), UInt8(ascii: "v"):
            return isLetter(text, at: apostrophe + 1, UInt8(ascii: "e")) ? apostrophe + 2 : nil
        case UInt8(ascii: "l"):
            return isLetter(text, at: apostrophe + 1, UInt8(ascii: "l")) ? apostrophe + 2 : nil
        default:
            let next = character(in: text, at: apostrophe)
            return next.scalar == 0x17F ? next.end : nil
        }
    }

    /// Compares an ASCII letter in either case. (`| 0x20` maps only the letter itself and its capital to a small letter.)
    private func isLetter(_ text: borrowing Span<UInt8>, at position: Int, _ small: UInt8) -> Bool {
        position < text.count && text[position] | 0x20 == small
    }

    /// `[^\s\p{L}\p{N}]*[\r\n]*`
    private func symbolsEnd(in text: borrowing Span<UInt8>, from start: Int) -> Int {
        var end = runEnd(in: text, from: start, of: .other)
        while end < text.count, text[end] == 0x0A || text[end] == 0x0D { end += 1 }
        return end
    }

    private func spaceEnd(in text: borrowing Span<UInt8>, first: Character, start: Int) -> Int {
        if first.end < text.count {
            if !first.isNewline {
                let end = runEnd(in: text, from: first.end, of: .letter)
                if end > first.end { return end }
            }
            if first.scalar == 0x20, character(in: text, at: first.end).characterClass == .other {
                return symbolsEnd(in: text, from: first.end)
            }
        }
        var lastStart = start
        var last = first
        var newlineEnd = first.isNewline ? first.end : nil
        while last.end < text.count {
            let next = character(in: text, at: last.end)
            guard next.characterClass == .space else { break }
            lastStart = last.end
            last = next
            if next.isNewline { newlineEnd = next.end }
        }
        if let newlineEnd { return newlineEnd }
        // `\s+(?!\S)` leaves the run's last space to what follows; a lone space falls to `\s+`.
        return last.end == text.count || lastStart == start ? last.end : lastStart
    }
}
