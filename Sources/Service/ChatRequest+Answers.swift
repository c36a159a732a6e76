import Roles
import Tokenization

/// What a request must not ask of an answer that is one of several texts.
extension ChatRequest {
    /// A label is the role's most probable one, whole.
    func checkLabels(of role: Role, _ tokenizer: Tokenizer) throws(APIError) {
        if sampling != nil {
            throw .unsupported(
                "temperature",
                "role '\(role.name)' answers with its most probable label; leave temperature out"
            )
        }
        if choices != nil {
            throw .invalid(
                "role '\(role.name)' has labels of its own; send choices to a role that replies",
                param: choicesName
            )
        }
        try checkAnswers(role.labels ?? [], tokenizer)
    }

    /// The client's choices, if it has sent some.
    func checkChoices(_ tokenizer: Tokenizer) throws(APIError) {
        guard let choices else { return }
        for choice in choices {
            let count = tokenizer.encode(choice).count
            guard (1...ChoiceRequest.maxTokens).contains(count) else {
                let message =
                    "the choice '\(choice)' takes \(count) tokens, allowed are 1 to \(ChoiceRequest.maxTokens)"
                throw .invalid(message, param: choicesName)
            }
        }
        try checkAnswers(choices, tokenizer)
    }

    /// Such an answer is never cut.
    private func checkAnswers(_ answers: [String], _ tokenizer: Tokenizer) throws(APIError) {
        for answer in answers {
            if stop.contains(where: { answer.contains($0) }) {
                throw .invalid("stop has a text that is part of the possible answer '\(answer)'", param: "stop")
            }
            guard let maxTokens else { continue }
            let count = tokenizer.encode(answer).count
            if count > maxTokens {
                let message =
                    "\(maxTokensName) is \(maxTokens), but the possible answer '\(answer)' takes \(count) tokens"
                throw .invalid(message, param: maxTokensName)
            }
        }
    }
}
