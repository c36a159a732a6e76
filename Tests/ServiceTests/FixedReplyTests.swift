import Glibc
import Logging
import Metrics
import Roles
import Scheduling
import Synchronization
import Testing

@testable import Service

@Suite struct FixedReplyTests {
    static let shared = Result { try TestEngine() }
    static let chatPath = "/v1/chat/completions"
    let test: TestEngine
    let service: MainService
    let reply: String

    init() throws {
        test = try Self.shared.get()
        service = MainServiceTests.service(test.state)
        reply = try #require(test.engine.roles["chat"]?.fixedReplies.first).reply
    }

    func body(_ text: String, _ rest: String = "") -> String {
        #"{"model":"chat","messages":[{"role":"user","content":"\#(text)"}]\#(rest)}"#
    }

    func answer(_ body: String, _ service: MainService? = nil) throws -> (status: Int?, json: JSONValue) {
        var sink = Recorder()
        (service ?? self.service).answer(post(Self.chatPath, body), to: &sink)
        return (sink.status, try sink.json)
    }

    func choice(_ answer: JSONValue) throws -> JSONValue {
        guard case .array(let choices) = answer["choices"], let first = choices.first else {
            throw APIError.internalFault("no choice")
        }
        return first
    }

    @Test(arguments: ["", #","max_tokens":1"#, #","stop":["担心","。"]"#])
    func answersWithTheWholeText(rest: String) throws {
        let answer = try answer(body("我想死", rest)).json
        let choice = try choice(answer)
        #expect(choice["message"] == ["role": "assistant", "content": .string(reply), "refusal": .null])
        #expect(choice["finish_reason"] == "stop")
        #expect(["正面", "负面"].contains(answer["labels"]?["sentiment"]?["label"]))
        #expect(answer["usage"]?["completion_tokens"] == .integer(reply.utf8.count))
        // The members are those of a generated answer, and the prompt of as many bytes has as many tokens.
        let generated = try self.answer(body("我想吃", #","max_tokens":8"#)).json
        #expect(try self.choice(generated)["message"]?["content"] != .string(reply))
        #expect(answer["usage"]?["prompt_tokens"] == generated["usage"]?["prompt_tokens"])
        guard case .object(let members) = answer, case .object(let others) = generated else {
            throw APIError.internalFault("no object")
        }
        #expect(members.map(\.name) == others.map(\.name))
    }

    @Test func streamsTheSame() throws {
        var sink = Recorder()
        let options = #","stream":true,"max_tokens":1,"stop":"。","stream_options":{"include_usage":true}"#
        service.answer(post(Self.chatPath, body("我想死", options)), to: &sink)
        #expect(sink.events.last == "[DONE]")
        let events = try sink.events.dropLast().map { try JSONParser.parse(Array($0.utf8)) }
        #expect(events[0]["labels"]?["sentiment"]?["label"] != nil)
        #expect(try choice(events[0])["delta"] == ["role": "assistant", "content": ""])
        let pieces = try events.dropFirst().dropLast().compactMap { event -> String? in
            guard case .string(let piece) = try choice(event)["delta"]?["content"] else { return nil }
            return piece
        }
        #expect(pieces.joined() == reply)
        #expect(try choice(events[events.count - 2])["finish_reason"] == "stop")
        let usage = try answer(body("我想死")).json["usage"]
        #expect(events.last?["usage"] == usage)
    }

    @Test func looksAtTheNewestUserMessageOnly() throws {
        let talk = #"{"role":"user","content":"我想死"},{"role":"assistant","content":"我想死"}"#
        let options = #","max_tokens":4}"#
        let later = #"{"model":"chat","messages":[\#(talk),{"role":"user","content":"你好"}]"# + options
        #expect(try choice(answer(later).json)["message"]?["content"] != .string(reply))
        let system = #"{"model":"chat","messages":[{"role":"user","content":"你好"},{"role":"system","content":"想死"}]"#
        #expect(try choice(answer(system + options).json)["message"]?["content"] != .string(reply))
        let last =
            #"{"model":"chat","messages":[{"role":"system","content":"x"},\#(talk),{"role":"user","content":"想死"}]}"#
        #expect(try choice(answer(last).json)["message"]?["content"] == .string(reply))
    }

    @Test func checksTheInputAllTheSame() throws {
        let long = try answer(body(String(repeating: "我想死", count: 700)))
        #expect(long.status == 400)
        #expect(long.json["error"]?["code"] == "string_above_max_length")
        #expect(try answer(#"{"model":"chat","messages":[{"role":"assistant","content":"想死"}]}"#).status == 400)
    }

    static let plainChat = [
        "chat": """
        output: { max_characters: 20 }
        fixed_replies:
          - { name: hello, reply: 你也好。, any_of: [你好] }
          - { name: bye, reply: 再见！, any_of: [再见, 你好] }
        """
    ]

    @Test func needsNoEngine() throws {
        let own = try withRoles(Self.plainChat) { try TestEngine(roles: $0, queueLimit: 0, maxSequences: 1) }
        let blocker = try own.engine.scheduler.submit(
            GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 900, bannedTokens: [256, 257, 258])
        )
        defer { blocker.cancel() }
        let service = MainServiceTests.service(own.state)
        #expect(try answer(body("吃了吗"), service).status == 429)
        let answer = try answer(body("你好"), service)
        #expect(answer.status == 200)
        #expect(try choice(answer.json)["message"]?["content"] == "你也好。")
    }

    @Test func goesOutWithoutVerdictsWhenTheQueueIsFull() throws {
        var roles = Self.plainChat
        roles["chat"]? += "\nannotate: [mood]"
        roles["mood"] = "output: { labels: [a, b] }\n"
        let own = try withRoles(roles) { try TestEngine(roles: $0, queueLimit: 0, maxSequences: 1, labelSequences: 0) }
        let blocker = try own.engine.scheduler.submit(
            GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 900, bannedTokens: [256, 257, 258])
        )
        // Else the label, which goes ahead of replies, might be the first.
        while own.engine.scheduler.snapshot.running == 0 { usleep(1_000) }
        let book = own.engine.book
        let label = GenerationRequest(prompt: [1], maxNewTokens: 4, constraint: book.judges["mood"]?.scorer)
        let waiting = try own.engine.scheduler.submit(label)
        defer { waiting.cancel() }
        let service = MainServiceTests.service(own.state)
        let alone = try answer(body("你好"), service)
        #expect(alone.status == 200 && alone.json["labels"]?["mood"] == nil)
        #expect(try choice(alone.json)["message"]?["content"] == "你也好。")
        blocker.cancel()
    }

    @Test func countsByRoleAndRule() throws {
        let own = try withRoles(Self.plainChat) { try TestEngine(roles: $0) }
        let service = MainServiceTests.service(own.state)
        func count(_ role: String, _ rule: String) -> String? {
            let start = "llm_fixed_replies_total{role=\"\(role)\",rule=\"\(rule)\"} "
            let line = own.metrics.render().split(separator: "\n").first { $0.hasPrefix(start) }
            return line.map { String($0.dropFirst(start.count)) }
        }
        #expect(count("chat", "hello") == "0" && count("chat", "bye") == "0" && count("other", "other") == "0")
        for text in ["你好", "再见", "你好吗", "在吗"] { _ = try answer(body(text, #","max_tokens":2"#), service) }
        #expect(count("chat", "hello") == "2" && count("chat", "bye") == "1" && count("other", "other") == "0")
        let renamed = Self.plainChat.mapValues { $0.replacing("hello", with: "greeting") }
        try withRoles(renamed) { try own.engine.replaceRoles(try RoleOffer(directory: $0, trained: nil)) }
        _ = try answer(body("你好"), service)
        #expect(count("other", "other") == "1" && count("chat", "greeting") == nil)
    }

    @Test func isLoggedByNameWithoutText() throws {
        let lines = RecordedLog()
        let service = MainService(
            state: test.state,
            logger: Logger(label: "test") { _ in RecordingHandler(log: lines) }
        )
        for text in ["我真的想死", "你好"] { _ = try answer(body(text, #","max_tokens":2"#), service) }
        let logged = lines.events.withLock { $0.map { $0.metadata ?? [:] } }
        #expect(logged.map { $0["fixed_reply"].map { "\($0)" } } == ["self_harm", nil])
        #expect(logged[0]["completion_tokens"].map { "\($0)" } == String(reply.utf8.count))
        #expect(!logged.contains { line in line.values.contains { "\($0)".contains("想死") } })
    }

    @Test func theCommandLineGetsItToo() throws {
        let messages = [Message(author: .user, content: "我想死")]
        var pieces = ""
        let answer = try test.engine.reply(to: messages, role: "chat") { pieces += $0 }
        #expect(answer.text == reply && pieces == reply)
        #expect(answer.completionTokens == reply.utf8.count && answer.promptTokens > 0)
        #expect(try JSONParser.parse(Array(answer.jsonLine(message: "我想死").utf8))["reply"] == .string(reply))
    }
}
