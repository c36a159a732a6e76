import FastCGI
import Glibc
import Logging
import Metrics
import Roles
import Scheduling
import Synchronization
import Testing

@testable import Service

@Suite struct MainServiceTests {
    static let shared = Result { try TestEngine() }
    let test: TestEngine
    let service: MainService

    init() throws {
        test = try Self.shared.get()
        service = Self.service(test.state)
    }

    static func service(_ state: ServiceState, limits: RequestLimits = RequestLimits()) -> MainService {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return MainService(state: state, limits: limits, logger: logger)
    }

    let chat = #"{"model":"chat","max_tokens":24,"messages":[{"role":"user","content":"你好"}]"#

    @Test func classifies() throws {
        var sink = Recorder()
        service.answer(post("/v1/classify", #"{"model":"sentiment","input":["好","很差"]}"#), to: &sink)
        let answer = try sink.json
        #expect(sink.status == 200)
        #expect(sink.headers["X-Request-Id"] == "test-request")
        #expect(answer["object"] == "list")
        #expect(answer["model"] == "sentiment")
        guard case .array(let items) = answer["data"] else { throw APIError.internalFault("no data") }
        #expect(items.map { $0["index"] } == [0, 1])
        for item in items {
            #expect(item["num_classes"] == 2)
            #expect(item["truncated"] == false)
            #expect(item["labels"] == ["正面", "负面"])
            guard case .array(let probs) = item["probs"], probs.count == 2, case .number(let first) = probs[0],
                case .number(let second) = probs[1], case .number(let margin) = item["margin"]
            else { throw APIError.internalFault("no probabilities") }
            #expect(abs(first + second - 1) < 1e-9)
            #expect(abs(abs(first - second) - margin) < 1e-9)
            #expect(item["label"] == (first >= second ? "正面" : "负面"))
        }
    }

    @Test func aSlowRequestIsAWarning() throws {
        for (slow, message, level) in [(10.0, "request", Logger.Level.info), (0, "slow request", .warning)] {
            let lines = RecordedLog()
            var limits = RequestLimits()
            limits.slow = .seconds(slow)
            let service = MainService(
                state: test.state,
                limits: limits,
                logger: Logger(label: "test") { _ in RecordingHandler(log: lines) }
            )
            var sink = Recorder()
            service.answer(post("/v1/classify", #"{"model":"sentiment","input":"好"}"#), to: &sink)
            let events = lines.events.withLock { $0 }
            #expect(events.map(\.level) == [level] && events.map { "\($0.message)" } == [message])
        }
    }

    @Test func repliesWithLabels() throws {
        var sink = Recorder()
        service.answer(post("/v1/chat/completions", chat + "}"), to: &sink)
        let answer = try sink.json
        #expect(answer["object"] == "chat.completion")
        guard case .array(let choices) = answer["choices"], let choice = choices.first else {
            throw APIError.internalFault("no choice")
        }
        #expect(choice["message"]?["role"] == "assistant")
        #expect(choice["finish_reason"] == "length")
        #expect(["正面", "负面"].contains(answer["labels"]?["sentiment"]?["label"]))
        #expect(answer["labels"]?["sentiment"]?["labels"] == ["正面", "负面"])
        guard case .array(let probs) = answer["labels"]?["sentiment"]?["probs"] else {
            throw APIError.internalFault("no probabilities")
        }
        #expect(probs.count == 2)
        #expect(answer["usage"]?["completion_tokens"] == 24)
    }

    @Test func labelsTheUsersTextWhereASystemMessageIsLast() throws {
        var plain = Recorder()
        service.answer(post("/v1/chat/completions", chat + "}"), to: &plain)
        var sink = Recorder()
        let body = chat.dropLast() + #",{"role":"system","content":"简短"}]}"#
        service.answer(post("/v1/chat/completions", String(body)), to: &sink)
        #expect(sink.status == 200)
        #expect(try sink.json["labels"] == (try plain.json["labels"]))
    }

    @Test func streamsWhatThePlainReplySays() throws {
        var plain = Recorder()
        service.answer(post("/v1/chat/completions", chat + "}"), to: &plain)
        var sink = Recorder()
        let body = chat + #","stream":true,"stream_options":{"include_usage":true}}"#
        service.answer(post("/v1/chat/completions", body), to: &sink)
        #expect(sink.headers["Content-Type"] == "text/event-stream; charset=utf-8")
        #expect(sink.headers["X-Accel-Buffering"] == "no")
        #expect(sink.events.last == "[DONE]")
        let events = try sink.events.dropLast().map { try JSONParser.parse(Array($0.utf8)) }
        #expect(Set(events.map { $0["id"]?.encoded }).count == 1)
        #expect(events.allSatisfy { $0["object"] == "chat.completion.chunk" })
        #expect(events[0]["labels"] == (try plain.json)["labels"])
        let deltas = events.compactMap { event -> JSONValue? in
            guard case .array(let choices) = event["choices"] else { return nil }
            return choices.first?["delta"]
        }
        #expect(deltas.first == ["role": "assistant", "content": ""])
        #expect(deltas.last == [:])
        let text = deltas.compactMap { delta -> String? in
            guard case .string(let piece) = delta["content"] else { return nil }
            return piece
        }.joined()
        guard case .array(let choices) = (try plain.json)["choices"] else { throw APIError.internalFault("no choices") }
        #expect(choices[0]["message"]?["content"] == .string(text))
        #expect(events.last?["choices"] == [])
        #expect(events.last?["usage"]?["completion_tokens"] == (try plain.json)["usage"]?["completion_tokens"])
    }

    @Test func labelRolesAnswerWithTheirLabel() throws {
        var sink = Recorder()
        let body = #"{"model":"sentiment","messages":[{"role":"user","content":"好"}]}"#
        service.answer(post("/v1/chat/completions", body), to: &sink)
        guard case .array(let choices) = (try sink.json)["choices"] else { throw APIError.internalFault("no choices") }
        #expect(["正面", "负面"].contains(choices[0]["message"]?["content"]))
        #expect(choices[0]["finish_reason"] == "stop")
    }

    /// The context of 2,048 tokens, one a byte, holds the newest turns only: the answer is that of these alone, and says so.
    @Test(arguments: [false, true])
    func cutsAConversationThatIsTooLongAndSaysSo(streamed: Bool) throws {
        func messages(_ turns: Range<Int>) -> String {
            let past = turns.map { turn in
                let text = String(repeating: "\(turn),", count: 40)
                return #"{"role":"user","content":"\#(text)"},{"role":"assistant","content":"\#(turn)"}"#
            }
            return (past + [#"{"role":"user","content":"你好"}"#]).joined(separator: ",")
        }
        func answer(_ turns: Range<Int>) throws -> JSONValue {
            var sink = Recorder()
            let body = #"{"model":"chat","max_tokens":24,"stream":\#(streamed),"messages":[\#(messages(turns))]}"#
            service.answer(post("/v1/chat/completions", body), to: &sink)
            #expect(sink.status == 200)
            guard streamed else { return try sink.json }
            let events = try sink.events.dropLast().map { try JSONParser.parse(Array($0.utf8)) }
            let content = events.compactMap { event -> String? in
                guard case .array(let choices) = event["choices"],
                    case .string(let piece) = choices.first?["delta"]?["content"]
                else { return nil }
                return piece
            }
            return [
                "truncated_messages": events[0]["truncated_messages"] ?? .null, "content": .string(content.joined()),
            ]
        }
        func content(_ answer: JSONValue) -> JSONValue? {
            guard case .array(let choices) = answer["choices"] else { return answer["content"] }
            return choices[0]["message"]?["content"]
        }
        let long = try answer(10..<90)
        guard case .integer(let dropped) = long["truncated_messages"] else { throw APIError.internalFault("no flag") }
        #expect(dropped > 0 && dropped % 2 == 0)
        let kept = try answer(10 + dropped / 2..<90)
        #expect((kept["truncated_messages"] ?? .null) == .null)
        #expect(content(long) == content(kept))
    }

    @Test(arguments: [
        ("/v1/nothing", "{}", 404, "not_found"),
        ("/v1/models", "{}", 405, "method_not_allowed"),
        ("/v1/classify", #"{"model":"nobody","input":"x"}"#, 404, "model_not_found"),
        ("/v1/classify", #"{"model":"chat","input":"x"}"#, 400, nil),
        ("/v1/classify", "{", 400, "invalid_json"),
        ("/v1/classify", #"{"model":"sentiment","input":["a"," "]}"#, 400, nil),
        ("/v1/chat/completions", #"{"model":"chat","messages":[]}"#, 400, nil),
        ("/v1/chat/completions", #"{"model":"sentiment","messages":[{"role":"system","content":"x"}]}"#, 400, nil),
    ])
    func answersFaultsInTheAPIsShape(path: String, body: String, status: Int, code: String?) throws {
        var sink = Recorder()
        service.answer(post(path, body), to: &sink)
        #expect(sink.status == status)
        #expect(sink.headers["Content-Type"] == "application/json")
        #expect(sink.headers["X-Request-Id"] == "test-request")
        let error = try #require(try sink.json["error"])
        #expect(error["code"] == code.map { .string($0) } ?? .null)
        for name in ["message", "type", "param"] { #expect(error[name] != nil) }
        if status == 405 { #expect(sink.headers["Allow"] == "GET, HEAD") }
    }

    @Test func saysWhichInputIsEmpty() throws {
        var sink = Recorder()
        service.answer(post("/v1/classify", #"{"model":"sentiment","input":["a"," "]}"#), to: &sink)
        #expect(try sink.json["error"]?["message"] == "input[1] is empty; send some text")
        #expect(try sink.json["error"]?["param"] == "input[1]")
    }

    @Test func refusesABodyOverTheLimit() {
        var sink = Recorder()
        service.answer(
            Call(method: "POST", path: "/v1/classify", id: "test-request", body: .failure(.tooLarge(limit: 9))),
            to: &sink
        )
        #expect(sink.status == 413)
    }

    @Test func refusesWhileLoadingWithRetryAfter() {
        var sink = Recorder()
        Self.service(ServiceState(metrics: test.metrics)).answer(get("/v1/models"), to: &sink)
        #expect(sink.status == 503)
        #expect(sink.headers["Retry-After"] == "5")
    }

    @Test func listsTheRoles() throws {
        var sink = Recorder()
        service.answer(get("/v1/models"), to: &sink)
        guard case .array(let models) = (try sink.json)["data"] else { throw APIError.internalFault("no data") }
        #expect(models.map { $0["id"] } == test.engine.roles.names.map { .string($0) })
    }

    @Test func aGoneClientFreesItsSequences() throws {
        let own = try TestEngine()
        var sink = Recorder()
        sink.leavesAfter = 3
        Self.service(own.state).answer(
            post(
                "/v1/chat/completions",
                #"{"model":"chat","stream":true,"messages":[{"role":"user","content":"你好"}]}"#
            ),
            to: &sink
        )
        #expect(sink.writes.count == 3)
        #expect(own.metrics.requestCounters["chat"]?[.cancelled]?.value == 1)
        let end = ContinuousClock.now + .seconds(2)
        while own.engine.scheduler.snapshot.isBusy, .now < end { usleep(2_000) }
        #expect(own.engine.scheduler.snapshot.kvBlocksUsed == 0)
    }

    /// While its worker waits for the next token, and in the queue: nothing is written meanwhile.
    @Test(arguments: [0, 1])
    func whatAClientThatLeavesHasAskedForIsGivenUpAtOnce(othersRunning: Int) throws {
        let own = try TestEngine(maxSequences: 1)
        let blockers = try (0..<othersRunning).map { _ in
            try own.engine.scheduler.submit(
                GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 1000, bannedTokens: [256, 257, 258])
            )
        }
        let hasLeft = Atomic<Bool>(false)
        var sink = Recorder(isGone: { hasLeft.load(ordering: .relaxed) })
        // Right after it was asked: the small model needs a few milliseconds for the whole reply.
        sink.onWatch = { action in
            hasLeft.store(true, ordering: .relaxed)
            action()
        }
        Self.service(own.state).answer(post("/v1/chat/completions", chat.replacing("24", with: "240") + "}"), to: &sink)
        #expect(own.metrics.requestCounters["chat"]?[.cancelled]?.value == 1)
        #expect(sink.status == nil)
        let end = ContinuousClock.now + .seconds(5)
        var left: (running: Int, waiting: Int) {
            let snapshot = own.engine.scheduler.snapshot
            return (snapshot.running, snapshot.waiting)
        }
        // The label beside the reply has a place of its own, and goes with the next step.
        while left.running > othersRunning || left.waiting > 0, .now < end { usleep(2_000) }
        #expect(left.running <= othersRunning)
        #expect(left.waiting == 0)
        for blocker in blockers { blocker.cancel() }
        while own.engine.scheduler.snapshot.isBusy, .now < end { usleep(2_000) }
        #expect(own.engine.scheduler.snapshot.kvBlocksUsed == 0)
        #expect(own.metrics.cancellationTime.read().count >= 1)
    }

    @Test func refusesWhatTheQueueCannotHold() throws {
        let own = try TestEngine(queueLimit: 0, maxSequences: 1)
        let blocker = try own.engine.scheduler.submit(
            GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 900, bannedTokens: [256, 257, 258])
        )
        var refused = Recorder()
        Self.service(own.state).answer(post("/v1/chat/completions", chat + "}"), to: &refused)
        // Labels have a lane of their own.
        var label = Recorder()
        Self.service(own.state).answer(post("/v1/classify", #"{"model":"sentiment","input":"x"}"#), to: &label)
        blocker.cancel()
        #expect(refused.status == 429)
        #expect(refused.headers["Retry-After"] != nil)
        #expect(try refused.json["error"]?["type"] == "rate_limit_error")
        #expect(label.status == 200)
    }
}
