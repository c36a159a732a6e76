/// A rule of a reply role: messages that hold one of its phrases are answered with a reviewed text, not a generated one.
package struct FixedReply: Sendable, Equatable {
    /// `[a-z0-9_-]{1,32}`, unique in its role; stands in logs and metrics.
    package let name: String
    /// Whole sentences within the role's `output.max_characters`.
    package let reply: String
    let anyOf: PhraseMatcher
    /// Ordinary talk that is cut out of the message before `anyOf` is looked for. It is found in one piece only:
    /// `想死你了` is, but not in `想死。你了解吗`.
    let except: PhraseMatcher

    func matches(_ text: MatchText) -> Bool {
        guard anyOf.isFound(in: text) else { return false }
        var rest = text
        rest.cut(except.covered(in: text))
        return anyOf.isFound(in: rest)
    }
}

extension Role {
    /// The first of the role's rules that the text matches. Takes time linear in the text (`PhraseMatcher`).
    package func fixedReply(to text: String) -> FixedReply? {
        guard !fixedReplies.isEmpty else { return nil }
        let text = MatchText(text)
        return fixedReplies.first { $0.matches(text) }
    }
}
