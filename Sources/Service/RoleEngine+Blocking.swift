package import Roles
package import Scheduling

/// The engine without a web client: for the command line and the canary. Blocks the calling thread.
extension RoleEngine {
    /// Judges texts by a label role, batched; verdicts in the texts' order.
    package func classify(_ texts: [String], role name: String) throws(ServiceError) -> [LabelVerdict] {
        var verdicts: [LabelVerdict] = []
        var start = 0
        while start < texts.count {
            let end = min(start + scheduler.options.maxSequences, texts.count)
            verdicts += try classifyBatch(texts[start..<end], role: name)
            start = end
        }
        return verdicts
    }

    private func classifyBatch(_ texts: ArraySlice<String>, role name: String) throws(ServiceError) -> [LabelVerdict] {
        do {
            let book = book
            let role = try book.role(name)
            var works: [LabelWork] = []
            for text in texts {
                guard let work = try labelWork(role, [Message(author: .user, content: text)], in: book) else {
                    throw ServiceError("role '\(name)' replies in free text; choose one with labels")
                }
                works.append(work)
            }
            let handles = try scheduler.submitAll(works.map(\.request))
            var verdicts: [LabelVerdict] = []
            for (work, handle) in zip(works, handles) {
                var ending: GenerationResult?
                while ending == nil { ending = try handle.ending() }
                if let ending { verdicts.append(try work.verdict(ending)) }
            }
            return verdicts
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
    ) throws(ServiceError) -> (text: String, result: GenerationResult) {
        do {
            let role = try book.role(name)
            guard case .reply(let maxCharacters) = role.output else {
                throw ServiceError("role '\(name)' answers with labels; choose one that replies")
            }
            let handle = try scheduler.submit(try replyWork(role, messages, maxTokens: maxTokens))
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
                    return (assembler.text, result)
                case .failed(let failure): throw failure
                }
            }
        } catch {
            throw error as? ServiceError ?? ServiceError("\(error)")
        }
    }
}

extension LabelVerdict {
    /// The verdict and its text as one line of JSON.
    package func jsonLine(text: String) -> String {
        let line: JSONValue = [
            "text": .string(text), "label": .string(label), "probs": probabilitiesJSON, "labels": labelsJSON,
            "margin": .number(margin), "truncated": .bool(isTruncated),
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }
}

extension RoleEngine {
    /// The labels of a role; nil when it replies or does not exist.
    package func labels(ofRole name: String) -> [String]? { roles[name]?.labels }

    /// A message and its reply as one line of JSON.
    package func jsonLine(text: String, reply: String, result: GenerationResult) -> String {
        let line: JSONValue = [
            "text": .string(text), "reply": .string(reply), "prompt_tokens": .integer(result.promptTokens),
            "completion_tokens": .integer(result.generatedTokens),
            "seconds": .number(
                (result.queueSeconds + result.prefillSeconds + result.decodeSeconds).rounded(decimals: 4)
            ),
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }
}

extension GenerationHandle {
    /// The result once the request ended; nil while it goes on.
    fileprivate func ending() throws(GenerationFailure) -> GenerationResult? {
        switch next(timeoutMilliseconds: 1_000) {
        case nil, .token: nil
        case .finished(let result): result
        case .failed(let failure): throw failure
        }
    }
}
