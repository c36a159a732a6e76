/// A text as phrases are looked up in it: letters, digits and ideographs only, in one writing of each.
///
/// Full-width ASCII becomes ASCII and everything lower case; white space, punctuation, symbols, emoji, marks and
/// zero-width characters are dropped. So `我 想·死` and `我想死` are the same text. Where a line broke and where
/// something visible was dropped is kept beside it. Takes time linear in the text.
struct MatchText: Equatable {
    struct Symbol: Equatable {
        /// Stands for a character that an exception cut out; no phrase holds it.
        static let cut: UInt32 = 0

        /// A Unicode scalar, or `cut`.
        var value: UInt32
        /// The index of the first symbol on the same line, or after the last cut on it.
        var lineStart: Int32
        /// The index of the first symbol in the same run: nothing visible was dropped since, and white space only where
        /// it parts two words of ASCII.
        var runStart: Int32
        /// The next symbol belongs to the same word of ASCII letters. No phrase ends here, so that `want to die` is not
        /// found in `want to diet`.
        var isInsideWord = false
    }

    private(set) var symbols: [Symbol] = []

    init(_ text: String) {
        var line: Int32 = 0
        var run: Int32 = 0
        var sawSpace = false
        var isWordOpen = false
        for scalar in text.unicodeScalars {
            let values = Self.values(of: scalar)
            let next = Int32(symbols.count)
            guard let first = values.first else {
                let gap = Self.gap(scalar)
                if gap != .nothing { isWordOpen = false }
                switch gap {
                case .nothing: break
                case .space: sawSpace = true
                case .mark: run = next
                case .lineBreak: (run, line) = (next, next)
                }
                continue
            }
            if sawSpace, first >= 0x80 || (symbols.last?.value ?? 0) >= 0x80 { run = next }
            sawSpace = false
            let isWord = (0x61...0x7A).contains(first)
            if isWord, isWordOpen { symbols[symbols.count - 1].isInsideWord = true }
            isWordOpen = isWord
            for value in values { symbols.append(Symbol(value: value, lineStart: line, runStart: run)) }
        }
    }

    /// Puts `Symbol.cut` in the place of symbols; phrases cannot reach across.
    ///
    /// - Parameter isCut: (symbols.count)
    mutating func cut(_ isCut: [Bool]) {
        var start: Int32 = 0
        for index in symbols.indices {
            if isCut[index] {
                symbols[index].value = Symbol.cut
                start = Int32(index) + 1
            }
            symbols[index].lineStart = max(symbols[index].lineStart, start)
            symbols[index].runStart = max(symbols[index].runStart, start)
        }
    }

    private enum Gap { case nothing, space, mark, lineBreak }

    private static func gap(_ scalar: Unicode.Scalar) -> Gap {
        switch scalar {
        case "\n", "\r", "\u{0B}", "\u{0C}", "\u{85}", "\u{2028}", "\u{2029}": return .lineBreak
        default: break
        }
        switch scalar.properties.generalCategory {
        case .format, .nonspacingMark, .spacingMark, .enclosingMark: return .nothing
        default: return scalar.properties.isWhitespace ? .space : .mark
        }
    }

    /// The scalar's letters or digits; empty for all that is dropped.
    private static func values(of scalar: Unicode.Scalar) -> [UInt32] {
        var scalar = scalar
        if (0xFF01...0xFF5E).contains(scalar.value) {
            scalar = Unicode.Scalar(scalar.value - 0xFEE0) ?? scalar
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter:
            // İ becomes an i with a mark.
            let lowerCase = scalar.properties.lowercaseMapping.unicodeScalars
            return lowerCase.filter { $0.properties.generalCategory != .nonspacingMark }.map(\.value)
        case .lowercaseLetter, .modifierLetter, .otherLetter, .decimalNumber, .letterNumber, .otherNumber:
            return [scalar.value]
        default: return []
        }
    }
}
