/// Messages checked against a role and sorted into what the template needs.
struct Conversation {
    struct Turn {
        var user: String
        var assistant: String
    }

    /// The role's system prompt and, below it, the client's system messages in their order, wherever they stood.
    private(set) var system: String
    /// What came before the last user message, oldest first.
    private(set) var turns: [Turn] = []
    /// The last user message within the role's input rule.
    private(set) var text: InputRule.Checked
    /// Whether any user text was cut.
    private(set) var truncated = false

    init(role: Role, messages: [Message]) throws(PromptError) {
        system = role.system
        text = InputRule.Checked(text: "", characters: 0, truncated: false)
        var pending: InputRule.Checked?
        var lastIndex: Int?
        for (index, message) in messages.enumerated() {
            if message.author == .system {
                guard role.labels == nil else { throw .systemNotAllowed(role: role.name, at: index) }
                if !message.content.isEmpty { system += "\n\(message.content)" }
                continue
            }
            if let lastIndex, role.labels != nil { throw .historyNotAllowed(role: role.name, at: lastIndex) }
            guard message.author == (pending == nil ? .user : .assistant) else { throw .notAlternating(at: index) }
            lastIndex = index
            if let user = pending {
                turns.append(Turn(user: user.text, assistant: message.content))
                pending = nil
            } else {
                guard !message.content.allSatisfy(\.isWhitespace) else { throw .emptyText(at: index) }
                let checked = try role.input.apply(to: message.content)
                truncated = truncated || checked.truncated
                pending = checked
            }
        }
        guard let lastIndex else { throw .noMessages }
        guard let pending else { throw .lastNotUser(at: lastIndex) }
        text = pending
    }
}
