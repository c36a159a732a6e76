import Metrics
import Roles
import Scheduling

/// What is known of an exchange for its log line and metrics; holds no text of the user's.
struct CallRecord {
    /// The name of the client's API key.
    var key: String?
    var role: String?
    var streamed = false
    var promptTokens = 0
    var cachedTokens = 0
    var completionTokens = 0
    var inputs = 0
    var queueSeconds = 0.0
    var prefillSeconds = 0.0
    var decodeSeconds = 0.0
    var finishReason: String?
    var droppedMessages = 0
    /// How a generated reply ended.
    var ending: ReplyEnding?
    /// Names of control tokens that stood in the body.
    var controlTexts = 0
    /// The name of the rule whose fixed text is the answer.
    var fixedReply: String?

    mutating func add(_ answer: FixedAnswer) {
        fixedReply = answer.rule
        promptTokens += answer.promptTokens
        completionTokens += answer.tokens.count
    }

    mutating func add(_ result: GenerationResult) {
        promptTokens += result.promptTokens
        cachedTokens += result.cachedTokens
        completionTokens += result.generatedTokens
        queueSeconds = max(queueSeconds, result.queueSeconds)
        prefillSeconds = max(prefillSeconds, result.prefillSeconds)
        decodeSeconds = max(decodeSeconds, result.decodeSeconds)
    }

    /// OpenAI's `usage`.
    var usage: JSONValue {
        [
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(completionTokens),
            "total_tokens": .integer(promptTokens + completionTokens),
            "prompt_tokens_details": ["cached_tokens": .integer(cachedTokens)],
        ]
    }
}

extension ReplyEnd {
    var ending: ReplyEnding {
        if reason == .stop { return .ownEnd }
        return isCut ? .ellipsis : .afterSentence
    }
}
