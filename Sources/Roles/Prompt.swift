package import ModelFiles

/// Token ids ready for prefill, and what had to be left out.
package struct Prompt: Sendable, Equatable {
    package var tokens: [TokenID]
    /// A user text was cut to the role's limit.
    package var truncated: Bool
    /// Messages dropped from the start of the conversation, as the context or the role has no room for them; an even
    /// number.
    package var droppedMessages: Int
    /// The last user text as it stands in the prompt.
    package var text: String
    /// Grapheme clusters of the last user text as it stands in the prompt.
    package var characters: Int
}
