/// How long a user's text may be, and what happens to a longer one.
package struct InputRule: Sendable, Equatable {
    package enum Overflow: String, Sendable, CaseIterable {
        /// Cut at the last whole character; the answer says so.
        case truncate
        /// Refused with both numbers.
        case reject
    }

    /// Grapheme clusters (Swift `Character`).
    package let maxCharacters: Int
    package let overflow: Overflow

    /// A character may be made of any number of Unicode scalars; this bounds the tokens behind the limit. Eight a
    /// character leaves room for texts made of family emoji only.
    package var maxScalars: Int { 8 * maxCharacters }

    /// A text within the rule. `characters` counts what is left of it.
    struct Checked: Equatable {
        var text: String
        var characters: Int
        var truncated: Bool
    }

    func apply(to text: String) throws(PromptError) -> Checked {
        var characters = 0
        var scalars = 0
        var end = text.startIndex
        while end < text.endIndex {
            let next = text.index(after: end)
            scalars += text.unicodeScalars.distance(from: end, to: next)
            if characters == maxCharacters || scalars > maxScalars { break }
            characters += 1
            end = next
        }
        if end == text.endIndex { return Checked(text: text, characters: characters, truncated: false) }
        if overflow == .truncate, characters > 0 {
            return Checked(text: String(text[..<end]), characters: characters, truncated: true)
        }
        let count = text.count
        if count > maxCharacters { throw .tooLong(characters: count, limit: maxCharacters) }
        throw .tooManyScalars(scalars: text.unicodeScalars.count, limit: maxScalars)
    }
}
