import Glibc
import Roles
import Tokenization

/// One chat answer in the making: either its text is collected, or each piece goes out as an event.
struct ChatTurn {
    let request: ChatRequest
    let role: Role
    let model: ModelSummary
    let tokenizer: Tokenizer
    /// nil: the answer is sent whole.
    var stream: EventStream?
    /// Verdicts on the user's text, by role.
    var labels: [(role: String, verdict: LabelVerdict)] = []
    /// Of the conversation's oldest messages, how many the reply does without.
    var droppedMessages = 0
    /// A user text was cut to what the role or the context takes.
    var isTruncated = false
    var finishReason = "stop"

    private let id = Identifier.random("chatcmpl-")
    private let created = time(nil)
    private var content = ""
    private var logprobs: [JSONValue] = []

    init(request: ChatRequest, role: Role, engine: RoleEngine, stream: EventStream?) {
        self.request = request
        self.role = role
        model = engine.summary
        tokenizer = engine.tokenizer
        self.stream = stream
    }

    /// Sends a stream's first event: the author, and what goes beside the reply.
    mutating func begin(to sink: inout some ResponseSink & ~Copyable) throws(Interruption) {
        var first = chunk(delta: ["role": "assistant", "content": ""])
        addNotes(to: &first)
        try stream?.send(first, to: &sink)
    }

    /// - Parameter tokens: those that the text so far completes, if the client asked for their log-probabilities.
    mutating func send(
        _ text: String,
        _ tokens: [SentToken] = [],
        to sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        guard !text.isEmpty || !tokens.isEmpty else { return }
        content += text
        let entries = tokens.map(tokenizer.json)
        guard stream != nil else { return logprobs += entries }
        let event = chunk(delta: ["content": .string(text)], logprobs: entries)
        try stream?.send(event, to: &sink)
    }

    /// Sends what closes the stream, or the whole answer.
    mutating func end(
        _ record: CallRecord,
        _ call: Call,
        to sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        guard stream != nil else {
            sink.send(Response(json: whole(record.usage)), requestID: call.id)
            return
        }
        let last = chunk(delta: [:], finishReason: .string(finishReason))
        try stream?.send(last, to: &sink)
        if request.includeUsage {
            let usage = envelope("chat.completion.chunk", choices: [], usage: record.usage)
            try stream?.send(usage, to: &sink)
        }
        try stream?.sendDone(to: &sink)
    }

    private func whole(_ usage: JSONValue) -> JSONValue {
        let choice: JSONValue = [
            "index": 0, "message": ["role": "assistant", "content": .string(content), "refusal": .null],
            "logprobs": logprobsJSON(logprobs),
            "finish_reason": .string(finishReason),
        ]
        var answer = envelope("chat.completion", choices: [choice], usage: usage)
        addNotes(to: &answer)
        return answer
    }

    private func addNotes(to answer: inout JSONValue) {
        answer.append(JSONValue.Member(name: "labels", value: labelsJSON), if: !labels.isEmpty)
        let dropped = JSONValue.Member(name: "truncated_messages", value: .integer(droppedMessages))
        answer.append(dropped, if: droppedMessages > 0)
        answer.append(JSONValue.Member(name: "truncated", value: true), if: isTruncated)
    }

    private func chunk(
        delta: JSONValue,
        logprobs: [JSONValue] = [],
        finishReason: JSONValue = .null
    ) -> JSONValue {
        let choice: JSONValue = [
            "index": 0, "delta": delta, "logprobs": logprobs.isEmpty ? .null : logprobsJSON(logprobs),
            "finish_reason": finishReason,
        ]
        return envelope("chat.completion.chunk", choices: [choice], usage: request.includeUsage ? .null : nil)
    }

    private func envelope(_ object: String, choices: [JSONValue], usage: JSONValue?) -> JSONValue {
        var answer: JSONValue = [
            "id": .string(id), "object": .string(object), "created": .integer(created), "model": .string(role.name),
            "system_fingerprint": .string(model.fingerprint), "choices": .array(choices),
        ]
        answer.append(JSONValue.Member(name: "usage", value: usage ?? .null), if: usage != nil)
        return answer
    }

    private func logprobsJSON(_ entries: [JSONValue]) -> JSONValue {
        request.topLogprobs == nil ? .null : ["content": .array(entries), "refusal": .null]
    }

    private var labelsJSON: JSONValue {
        .object(labels.map { JSONValue.Member(name: $0.role, value: $0.verdict.json) })
    }
}
