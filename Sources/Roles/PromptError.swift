/// Why messages cannot become a prompt of a role; the client's to change (HTTP 400). `at` indexes `messages`.
package enum PromptError: Error, CustomStringConvertible, Equatable {
    case noMessages
    /// The user message is empty or only white space.
    case emptyText(at: Int)
    /// A label role judges one user message; it takes no system message.
    case systemNotAllowed(role: String, at: Int)
    /// A label role judges one user message; it takes no conversation.
    case historyNotAllowed(role: String, at: Int)
    /// User and assistant have to take turns, the user first and last.
    case notAlternating(at: Int)
    case lastNotUser(at: Int)
    /// Longer than the role takes, in grapheme clusters.
    case tooLong(characters: Int, limit: Int)
    /// Within the limit of characters, but those are made of too many Unicode scalars.
    case tooManyScalars(scalars: Int, limit: Int)
    /// System prompt and last message alone do not fit the context.
    case contextExceeded(tokens: Int, limit: Int)

    package var description: String {
        switch self {
        case .noMessages:
            "messages has no user message; send at least one"
        case .emptyText(let at):
            "messages[\(at)] is empty; send some text"
        case .systemNotAllowed(let role, let at):
            "messages[\(at)] is a system message, but role '\(role)' has its own; send one user message only"
        case .historyNotAllowed(let role, let at):
            "messages[\(at)]: role '\(role)' judges a single text; send one user message only"
        case .notAlternating(let at):
            "messages[\(at)] breaks the turns; user and assistant must alternate, starting with user"
        case .lastNotUser(let at):
            "messages[\(at)] is the last message and must be the user's"
        case .tooLong(let characters, let limit):
            "the text has \(characters) characters, the limit is \(limit); shorten it"
        case .tooManyScalars(let scalars, let limit):
            "the text's characters are made of \(scalars) code points, the limit is \(limit); shorten it"
        case .contextExceeded(let tokens, let limit):
            "system prompt and last message take \(tokens) tokens, the limit is \(limit); shorten them"
        }
    }
}
