import ModelFiles
import Roles
import Scheduling

/// What a client may ask of a reply.
struct ReplyOptions {
    var maxTokens: Int?
    var sampling: Sampling?
    /// nil: no log-probabilities.
    var topLogprobs: Int?
    /// The reply is one of these; nil: free text.
    var choices: [String]?
}

/// A reply to be made, and how many of the conversation's oldest messages it does without.
struct ReplyPlan {
    let work: ReplyWork
    let droppedMessages: Int
    /// A user text was cut to what the role or the context takes.
    let isTruncated: Bool

    init(_ work: ReplyWork, _ prompt: Prompt) {
        self.work = work
        droppedMessages = prompt.droppedMessages
        isTruncated = prompt.truncated
    }
}

/// How a conversation gets its reply.
enum ReplyWork {
    case generation(GenerationRequest)
    /// One of the client's texts.
    case choice(LabelWork)
    /// Nothing is to be generated.
    case fixed(FixedAnswer)
}

/// A reply that is known beforehand. Tokens are counted as if the model had written it.
struct FixedAnswer {
    let text: String
    /// The rule of the role that has it; nil: it was the client's only choice.
    let rule: String?
    let promptTokens: Int
    let tokens: [TokenID]
}
