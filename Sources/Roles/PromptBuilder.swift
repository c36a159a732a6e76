package import ModelFiles
package import Tokenization

/// Renders a role and messages as ChatML token ids, the same ids that transformers' `apply_chat_template` gives for
/// the Qwen template with the role's system prompt as first message:
///
///     <|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n
///
/// A model that thinks unless told otherwise (Qwen3) gets `<think>\n\n</think>\n\n` behind that, as its template gives for
/// `enable_thinking=False`: its answer follows at once. Earlier answers stand without, as in the template.
///
/// Only this type emits control tokens; every text goes through `encode`, so `<|im_end|>` typed by a user is text.
/// As in transformers, the text between two control tokens is one segment, encoded as a whole: a text that starts
/// with a line break merges with the newline after `user` into other tokens (and NFC runs over that seam too).
/// What a prompt shares with a role's prefix is therefore compared id by id, never assumed.
package struct PromptBuilder: Sendable {
    private let encoder: any TextEncoding
    private let start: TokenID
    /// `<|im_end|>`
    package let endOfMessage: TokenID
    /// `<think>` and `</think>` of a model that thinks; an answer holds neither.
    package let thoughtTokens: [TokenID]

    package init(tokenizer: Tokenizer) throws(RoleError) {
        try self.init(encoder: tokenizer)
    }

    init(encoder: any TextEncoding) throws(RoleError) {
        guard let start = encoder.controlToken("<|im_start|>"), let end = encoder.controlToken("<|im_end|>") else {
            let message = "no <|im_start|> and <|im_end|>; use a model with the ChatML tokens"
            throw RoleError(source: "tokenizer", line: nil, message: message)
        }
        self.encoder = encoder
        self.start = start
        endOfMessage = end
        // A vocabulary may have the tokens although the model was not trained to think: then its template has no such switch.
        let canThink = encoder.chatTemplate?.contains("enable_thinking") ?? true
        let tokens = ["<think>", "</think>"].compactMap(encoder.addedToken)
        thoughtTokens = canThink && tokens.count == 2 ? tokens : []
    }

    /// Everything up to and including `<|im_start|>user\n`: what all prompts of the role have in common.
    package func prefix(of role: Role) -> [TokenID] {
        message("system", role.system) + [start] + encoder.encode("user\n")
    }

    /// The scorer of a label role. It is a template: copy it for each request.
    package func scorer(for role: Role) throws(RoleError) -> LabelScorer {
        guard case .labels(let labels, let maxTokens) = role.output else {
            throw RoleError(source: role.name, line: nil, message: "replies in free text; only label roles have labels")
        }
        return try scorer(for: labels, maxTokens: maxTokens, source: role.name)
    }

    /// The scorer of any texts, of which the answer is one.
    ///
    /// - Parameter source: names them in an error.
    package func scorer(for labels: [String], maxTokens: Int, source: String) throws(RoleError) -> LabelScorer {
        var tokens: [[TokenID]] = []
        for label in labels {
            let ids = encoder.encode(label)
            guard !ids.isEmpty, !ids.contains(where: encoder.isControl) else {
                throw RoleError(source: source, line: nil, message: "label '\(label)' has no tokens; choose another")
            }
            guard ids.count <= maxTokens else {
                let message = "label '\(label)' takes \(ids.count) tokens, 'output.max_tokens' allows \(maxTokens)"
                throw RoleError(source: source, line: nil, message: message)
            }
            tokens.append(ids)
        }
        return try LabelScorer(labels: tokens, end: endOfMessage, source: source)
    }

    /// Throws what `prompt` would for all that can be said without tokens.
    package func check(_ messages: [Message], for role: Role) throws(PromptError) {
        _ = try Conversation(role: role, messages: messages)
    }

    /// - Parameter contextLimit: tokens the prompt may take at most; what the answer needs is already off it.
    package func prompt(
        for role: Role,
        messages: [Message],
        contextLimit: Int
    ) throws(PromptError) -> Prompt {
        let plan = try Conversation(role: role, messages: messages)
        let head = message("system", plan.system)
        var text = plan.text
        var tail = self.tail(text.text)
        if head.count + tail.count > contextLimit, role.input.overflow == .truncate {
            text = cut(text, to: contextLimit - head.count)
            tail = self.tail(text.text)
        }
        var used = head.count + tail.count
        guard used <= contextLimit else { throw .contextExceeded(tokens: used, limit: contextLimit) }

        // Newest first, so that the work ends where the context does, however long the conversation is.
        var kept: [[TokenID]] = []
        for turn in plan.turns.reversed() {
            let tokens = message("user", turn.user) + message("assistant", turn.assistant)
            guard used + tokens.count <= contextLimit else { break }
            used += tokens.count
            kept.append(tokens)
        }
        let tokens = head + kept.reversed().joined() + tail
        return Prompt(
            tokens: tokens,
            truncated: plan.truncated || text.truncated,
            droppedMessages: plan.droppedMessages + 2 * (plan.turns.count - kept.count),
            text: text.text,
            characters: text.characters
        )
    }

    /// The last user message and the beginning of the answer.
    private func tail(_ text: String) -> [TokenID] {
        message("user", text) + [start] + encoder.encode("assistant\n")
            + thoughtTokens.flatMap { [$0] + encoder.encode("\n\n") }
    }

    /// As many whole characters of the text as leave the tail within so many tokens, at least one: found by halving.
    private func cut(_ text: InputRule.Checked, to limit: Int) -> InputRule.Checked {
        let characters = Array(text.text)
        var (fits, tooMany) = (1, characters.count)
        while fits + 1 < tooMany {
            let middle = (fits + tooMany) / 2
            if tail(String(characters[..<middle])).count <= limit { fits = middle } else { tooMany = middle }
        }
        return InputRule.Checked(text: String(characters[..<fits]), characters: fits, truncated: true)
    }

    /// `<|im_start|>{author}\n{content}<|im_end|>\n`
    private func message(_ author: String, _ content: String) -> [TokenID] {
        [start] + encoder.encode("\(author)\n\(content)") + [endOfMessage] + encoder.encode("\n")
    }
}
