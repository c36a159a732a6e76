package import Roles
import Scheduling

/// The engine without a web client: for the command line. Blocks the calling thread.
extension RoleEngine {
    /// Judges texts by a label role, batched; verdicts in the texts' order.
    package func classify(_ texts: [String], role name: String) throws(ServiceError) -> [LabelVerdict] {
        do {
            guard let judge = book.judges[try book.role(name).name] else {
                throw ServiceError("role '\(name)' replies in free text; choose one with labels")
            }
            let batch = LabelBatch(engine: self, judge: judge, texts: texts) { .input($0) }
            try batch.check()
            return try batch.verdicts { false }
        } catch {
            throw error as? ServiceError ?? ServiceError("\(error)")
        }
    }

    /// Replies to a conversation; `onText` gets each piece as a web client would.
    package func reply(
        to messages: [Message],
        role name: String,
        maxTokens: Int? = nil,
        onText: (String) -> Void
    ) throws(ServiceError) -> Reply {
        do {
            let role = try book.role(name)
            guard case .reply(let maxCharacters) = role.output else {
                throw ServiceError("role '\(name)' answers with labels; choose one that replies")
            }
            let plan = try replyWork(role, messages, ReplyOptions(maxTokens: maxTokens), owner: .terminal)
            switch plan.work {
            case .choice: throw ServiceError("choices were not asked for")
            case .generation(let request):
                var reply = try generate(request, maxCharacters: maxCharacters, onText: onText)
                reply.isTruncated = plan.isTruncated
                return reply
            case .fixed(let answer):
                onText(answer.text)
                return Reply(
                    text: answer.text,
                    promptTokens: answer.promptTokens,
                    completionTokens: answer.tokens.count,
                    seconds: 0
                )
            }
        } catch {
            throw error as? ServiceError ?? ServiceError("\(error)")
        }
    }

    private func generate(
        _ request: GenerationRequest,
        maxCharacters: Int,
        onText: (String) -> Void
    ) throws -> Reply {
        let handle = try scheduler.submit(request)
        var assembler = ReplyAssembler(tokenizer: tokenizer, maxCharacters: maxCharacters, stop: [])
        while true {
            switch handle.next(timeoutMilliseconds: 1_000) {
            case nil: continue
            case .token(let token):
                guard !assembler.isComplete else { continue }
                onText(assembler.append(token))
                if assembler.isComplete { handle.cancel() }
            case .finished(let result):
                onText(assembler.finish(modelEnded: result.reason == .stop).rest)
                return Reply(
                    text: assembler.text,
                    promptTokens: result.promptTokens,
                    completionTokens: result.generatedTokens,
                    seconds: result.queueSeconds + result.prefillSeconds + result.decodeSeconds
                )
            case .failed(let failure): throw failure
            }
        }
    }
}

/// A whole reply and what it cost.
package struct Reply: Sendable {
    package let text: String
    /// The user's text was cut to what the role or the context takes.
    package fileprivate(set) var isTruncated = false
    package let promptTokens: Int
    package let completionTokens: Int
    package let seconds: Double

    /// The message and its reply as one line of JSON.
    package func jsonLine(message: String) -> String {
        let line: JSONValue = [
            "text": .string(message), "reply": .string(text), "prompt_tokens": .integer(promptTokens),
            "completion_tokens": .integer(completionTokens), "seconds": .number(seconds.rounded(decimals: 4)),
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }
}

extension RoleEngine {
    /// The labels of a role. Throws if it does not exist, was not trained for, or replies in free text.
    package func labels(ofRole name: String) throws(ServiceError) -> [String] {
        guard let labels = try role(name).labels else {
            throw ServiceError("role '\(name)' replies in free text; choose one with labels")
        }
        return labels
    }

    /// Throws if the role does not exist, was not trained for, or answers with labels.
    package func checkReplies(role name: String) throws(ServiceError) {
        guard try role(name).labels == nil else {
            throw ServiceError("role '\(name)' answers with labels; choose one that replies")
        }
    }

    private func role(_ name: String) throws(ServiceError) -> Role {
        do { return try book.role(name) } catch { throw ServiceError(error.description) }
    }
}
