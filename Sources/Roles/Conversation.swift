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
    /// Messages at the start that are left out, as one of them is longer than the role takes.
    private(set) var droppedMessages = 0

    init(role: Role, messages: [Message]) throws(PromptError) {
        system = role.system
        text = InputRule.Checked(text: "", characters: 0, truncated: false)
        var pending: Result<InputRule.Checked, PromptError>?
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
                add(user, answer: message.content)
                pending = nil
            } else {
                guard !message.content.allSatisfy(\.isWhitespace) else { throw .emptyText(at: index) }
                pending = Result { () throws(PromptError) in try role.input.apply(to: message.content) }
            }
        }
        guard let lastIndex else { throw .noMessages }
        guard let pending else { throw .lastNotUser(at: lastIndex) }
        text = try pending.get()
        truncated = truncated || text.truncated
    }

    /// A turn of the past. One that is too long ends what can be remembered: only what came after it is kept.
    private mutating func add(_ user: Result<InputRule.Checked, PromptError>, answer: String) {
        switch user {
        case .success(let checked):
            truncated = truncated || checked.truncated
            turns.append(Turn(user: checked.text, assistant: answer))
        case .failure:
            droppedMessages += 2 * (turns.count + 1)
            turns = []
            truncated = false
        }
    }
}
