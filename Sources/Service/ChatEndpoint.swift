import Glibc
import Roles
import Scheduling
import Tokenization

/// `POST /v1/chat/completions`: a reply, whole or as a stream, or a label as its content.
struct ChatEndpoint {
    let engine: RoleEngine
    let gate: PreparationGate
    let patience: Patience
    let departure: Departure

    /// A checked request and its work, not yet submitted.
    private struct Plan {
        var turn: ChatTurn
        /// nil when the role's answer is a label.
        var reply: ReplyWork?
        /// The label itself, or the verdicts on the user's text that go beside the reply.
        var labels: [LabelWork]
    }

    func respond(
        to call: Call,
        body: [UInt8],
        record: inout CallRecord,
        sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        do {
            var plan = try prepare(body, &record, call, sink)
            if let reply = plan.reply {
                try answer(reply, plan.labels, &plan.turn, &record, &sink)
            } else if let label = plan.labels.first {
                try answer(label, &plan.turn, &record, &sink)
            }
            try plan.turn.end(record, call, to: &sink)
        } catch let error as APIError {
            throw .error(error)
        } catch let interruption as Interruption {
            throw interruption
        } catch {
            throw .error(.internalFault("\(error)"))
        }
    }

    private func prepare(
        _ body: [UInt8],
        _ record: inout CallRecord,
        _ call: Call,
        _ sink: borrowing some ResponseSink & ~Copyable
    ) throws -> Plan {
        try gate.enter(body, patience, sink: sink)
        defer { gate.leave(body) }
        var request = try ChatRequest(body: body)
        let book = engine.book
        let role = try book.role(request.model)
        try call.access.check(role.name)
        record.role = role.name
        record.streamed = request.stream
        var reply: ReplyPlan?
        var labels: [LabelWork] = []
        if role.labels != nil {
            try request.checkLabels(of: role, engine.tokenizer)
            if let work = try labelWork(role, request.messages, book) { labels.append(work) }
        } else {
            let owner = call.owner(salt: request.cacheSalt)
            try request.checkChoices(engine.tokenizer)
            reply = try prompted { try engine.replyWork(role, request.messages, request.replyOptions, owner: owner) }
            // System messages may stand anywhere, also last.
            let lastText = request.messages.last { $0.author == .user }.map { [$0] } ?? []
            for name in role.annotate {
                if let work = try labelWork(try book.role(name), lastText, book) { labels.append(work) }
            }
        }
        request.messages = []  // the prompts have what is needed of them
        let stream = request.stream ? EventStream(requestID: call.id) : nil
        var turn = ChatTurn(request: request, role: role, engine: engine, stream: stream)
        turn.droppedMessages = reply?.droppedMessages ?? 0
        record.droppedMessages = turn.droppedMessages
        turn.isTruncated = reply?.isTruncated ?? labels.contains(where: \.isTruncated)
        return Plan(turn: turn, reply: reply?.work, labels: labels)
    }

    /// A label role's answer is its label.
    private func answer(
        _ work: LabelWork,
        _ turn: inout ChatTurn,
        _ record: inout CallRecord,
        _ sink: inout some ResponseSink & ~Copyable
    ) throws {
        let handle = try submit([work.request])[0]
        let verdict = try work.verdict(try handle.result(patience, stream: &turn.stream, sink: &sink))
        turn.labels = [(turn.role.name, verdict)]
        try turn.begin(to: &sink)
        try say(verdict, &turn, &record, &sink)
    }

    /// The chosen text is the reply.
    private func say(
        _ verdict: LabelVerdict,
        _ turn: inout ChatTurn,
        _ record: inout CallRecord,
        _ sink: inout some ResponseSink & ~Copyable
    ) throws {
        let drawn = turn.request.sampling?.choose(among: verdict.probabilities.map { log($0.probability) })
        let choice = drawn ?? verdict.best
        let text = verdict.probabilities[choice].label
        record.add(verdict.result)
        record.completionTokens = engine.tokenizer.encode(text).count
        try turn.send(text, tokens(verdict, choice, turn.request), to: &sink)
        turn.finishReason = "stop"
        record.finishReason = "stop"
    }

    /// A reply, after the verdicts on the user's text. All that is to be computed is taken in at once, and cancelled
    /// together when the handles are dropped.
    private func answer(
        _ reply: ReplyWork,
        _ notes: [LabelWork],
        _ turn: inout ChatTurn,
        _ record: inout CallRecord,
        _ sink: inout some ResponseSink & ~Copyable
    ) throws {
        let handles: [GenerationHandle]
        switch reply {
        case .generation(let request): handles = try submit(notes.map(\.request) + [request])
        case .choice(let work): handles = try submit(notes.map(\.request) + [work.request])
        // A reviewed text goes out whatever the load is, if need be without the verdicts.
        case .fixed: handles = (try? submit(notes.map(\.request))) ?? []
        }
        for (note, handle) in zip(notes, handles) {
            do {
                let result = try handle.result(patience, stream: &turn.stream, sink: &sink)
                turn.labels.append((note.role, try note.verdict(result)))
            } catch Interruption.error(let error) {
                guard case .fixed = reply else { throw error }
            }
        }
        try turn.begin(to: &sink)
        switch reply {
        case .generation: try generate(handles[notes.count], &turn, &record, &sink)
        case .choice(let work):
            let result = try handles[notes.count].result(patience, stream: &turn.stream, sink: &sink)
            try say(try work.verdict(result), &turn, &record, &sink)
        case .fixed(let answer):
            record.add(answer)
            try turn.send(answer.text, fixedTokens(answer, turn.request), to: &sink)
            turn.finishReason = "stop"
            record.finishReason = "stop"
        }
    }

    private func generate(
        _ handle: GenerationHandle,
        _ turn: inout ChatTurn,
        _ record: inout CallRecord,
        _ sink: inout some ResponseSink & ~Copyable
    ) throws {
        guard case .reply(let maxCharacters) = turn.role.output else { return }
        var assembler = ReplyAssembler(
            tokenizer: engine.tokenizer,
            maxCharacters: maxCharacters,
            stop: turn.request.stop
        )
        var modelEnded = false
        var tokens = 0  // those that made the reply: how many more came before the cancellation took hold is chance
        events: while true {
            switch try handle.nextEvent(patience, stream: &turn.stream, sink: &sink) {
            case .token(let token):
                guard !assembler.isComplete else { continue }
                tokens += 1
                let text = assembler.append(token, logprobs: handle.logprobs(at: tokens - 1))
                try turn.send(text, assembler.takeTokens(), to: &sink)
                if assembler.isComplete { handle.cancel() }
            case .finished(let result):
                record.add(result)
                record.completionTokens = tokens
                modelEnded = result.reason == .stop
                break events
            case .failed(let failure): throw APIError(failure)
            }
        }
        let end = assembler.finish(modelEnded: modelEnded)
        try turn.send(end.rest, assembler.takeTokens(), to: &sink)
        turn.finishReason = end.reason.rawValue
        record.finishReason = end.reason.rawValue
        record.ending = end.ending
    }

    private func tokens(_ verdict: LabelVerdict, _ choice: Int, _ request: ChatRequest) -> [SentToken] {
        guard let top = request.topLogprobs else { return [] }
        let choices = ChoiceLogprobs(
            choices: verdict.probabilities.map { engine.tokenizer.encode($0.label) },
            probabilities: verdict.probabilities.map(\.probability),
            end: engine.endOfMessage
        )
        return sent(choices.tokens(of: choice, top: top))
    }

    /// A fixed reply's tokens are certain.
    private func fixedTokens(_ answer: FixedAnswer, _ request: ChatRequest) -> [SentToken] {
        guard let top = request.topLogprobs else { return [] }
        let choice = ChoiceLogprobs(choices: [answer.tokens], probabilities: [1], end: engine.endOfMessage)
        return sent(choice.tokens(of: 0, top: top))
    }

    private func sent(_ tokens: [TokenLogprobs]) -> [SentToken] {
        tokens.map { SentToken(logprobs: $0, bytes: engine.tokenizer.bytes(of: $0.chosen.token)) }
    }

    private func labelWork(_ role: Role, _ messages: [Message], _ book: RoleBook) throws -> LabelWork? {
        guard let judge = book.judges[role.name] else { return nil }
        return try prompted { () throws(PromptError) in try engine.labelWork(judge, messages) }
    }

    private func prompted<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as PromptError { throw APIError(error, source: .messages) }
    }

    private func submit(_ requests: [GenerationRequest]) throws(APIError) -> [GenerationHandle] {
        guard !requests.isEmpty else { return [] }
        let timed = requests.map { $0.starting(within: patience.secondsToStart) }
        do {
            let handles = try engine.scheduler.submitAll(timed)
            for handle in handles { departure.add(handle) }
            return handles
        } catch {
            throw APIError(error)
        }
    }
}
