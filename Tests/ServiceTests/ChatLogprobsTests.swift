import Glibc
import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct ChatLogprobsTests {
    static let shared = Result { try TestEngine() }
    let test: TestEngine
    let service: MainService

    init() throws {
        test = try Self.shared.get()
        service = MainServiceTests.service(test.state)
    }

    private func choice(_ members: String, model: String = "chat", text: String = "你好") throws -> JSONValue {
        var sink = Recorder()
        let messages = #""messages":[{"role":"user","content":"\#(text)"}]"#
        service.answer(post("/v1/chat/completions", #"{"model":"\#(model)",\#(messages),\#(members)}"#), to: &sink)
        guard sink.status == 200, case .array(let choices) = try sink.json["choices"], let first = choices.first else {
            throw ServiceError(sink.text)
        }
        return first
    }

    private func entries(_ choice: JSONValue?) throws -> [JSONValue] {
        guard case .array(let entries) = choice?["logprobs"]?["content"] else { throw ServiceError("no logprobs") }
        return entries
    }

    private func number(_ value: JSONValue?) throws -> Double {
        guard case .number(let number) = value else { throw ServiceError("no number") }
        return number
    }

    private func bytes(_ entries: [JSONValue]) -> [UInt8] {
        entries.flatMap { entry -> [UInt8] in
            guard case .array(let bytes) = entry["bytes"] else { return [] }
            return bytes.compactMap { if case .integer(let byte) = $0 { UInt8(byte) } else { nil } }
        }
    }

    @Test(arguments: [#""temperature":1,"seed":3"#, #""temperature":2,"seed":4,"max_tokens":20"#])
    func ofAReplyAreThoseOfItsText(members: String) throws {
        let answer = try choice(members + #","logprobs":true,"top_logprobs":3"#)
        let entries = try entries(answer)
        guard case .string(let text) = answer["message"]?["content"] else { throw ServiceError("no text") }
        let own = text.hasSuffix("…") ? String(text.dropLast()) : text
        #expect(!entries.isEmpty, "\(text)")
        #expect(String(decoding: bytes(entries), as: UTF8.self) == own)
        for entry in entries {
            guard case .array(let top) = entry["top_logprobs"] else { throw ServiceError("no alternatives") }
            let values = try top.map { try number($0["logprob"]) }
            #expect(values.count == 3)
            #expect(values == values.sorted(by: >))
            #expect(values.reduce(0) { $0 + exp($1) } <= 1 + 1e-6)
            #expect(try number(entry["logprob"]) < 0)
        }
        #expect(try choice(members)["logprobs"] == .null)
        #expect(try choice(members)["message"] == answer["message"])
    }

    @Test func ofAStreamAreThoseOfThePlainReply() throws {
        let members = #""max_tokens":24,"logprobs":true,"top_logprobs":2"#
        let plain = try entries(try choice(members))
        var sink = Recorder()
        let body = #"{"model":"chat","messages":[{"role":"user","content":"你好"}],"stream":true,\#(members)}"#
        service.answer(post("/v1/chat/completions", body), to: &sink)
        var streamed: [JSONValue] = []
        for event in sink.events.dropLast() {
            guard case .array(let choices) = try JSONParser.parse(Array(event.utf8))["choices"] else { continue }
            if choices.first?["logprobs"] != .null { streamed += try entries(choices.first) }
        }
        #expect(streamed == plain)
    }

    @Test func ofALabelAreThoseAmongTheLabels() throws {
        let answer = try choice(#""logprobs":true,"top_logprobs":5"#, model: "sentiment")
        let entries = try entries(answer)
        guard case .string(let label) = answer["message"]?["content"] else { throw ServiceError("no label") }
        #expect(bytes(entries) == Array(label.utf8))
        let verdict = try #require(try test.engine.classify(["你好"], role: "sentiment").first)
        let product = exp(try entries.reduce(0) { $0 + (try number($1["logprob"])) })
        #expect(abs(product - verdict.probability) < 1e-5)
    }

    @Test func aFixedReplyIsCertain() throws {
        let answer = try choice(#""logprobs":true,"top_logprobs":2"#, text: "我想死")
        let entries = try entries(answer)
        guard case .string(let text) = answer["message"]?["content"] else { throw ServiceError("no text") }
        #expect(bytes(entries) == Array(text.utf8))
        #expect(try entries.allSatisfy { try number($0["logprob"]) == 0 })
    }

    @Test func aSeedRepeatsAReply() throws {
        func text(_ members: String) throws -> JSONValue? { try choice(members)["message"]?["content"] }
        let sampled = #""max_tokens":40,"temperature":1.5,"seed":5"#
        let first = try text(sampled)
        #expect(try text(sampled) == first)
        let others = try (0..<5).map { try text(#""max_tokens":40,"temperature":1.5,"seed":\#($0)"#) }
        #expect(Set(others.map { $0?.encoded }).count > 1)
        let greedy = try text(#""max_tokens":40"#)
        #expect(try text(#""max_tokens":40,"temperature":0,"seed":9,"top_p":0.1"#) == greedy)
        #expect(try text(#""max_tokens":40,"temperature":1,"top_p":0,"seed":9"#) == greedy)
    }

    @Test func aLabelIsNotDrawn() throws {
        var sink = Recorder()
        let body = #"{"model":"sentiment","messages":[{"role":"user","content":"好"}],"temperature":0.5}"#
        service.answer(post("/v1/chat/completions", body), to: &sink)
        #expect(sink.status == 400)
        #expect(try sink.json["error"]?["param"] == "temperature")
        _ = try choice(#""temperature":0"#, model: "sentiment")
    }
}
