import Glibc
import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct ChatChoiceTests {
    static let shared = Result { try TestEngine() }
    let test: TestEngine
    let service: MainService

    init() throws {
        test = try Self.shared.get()
        service = MainServiceTests.service(test.state)
    }

    private func ask(_ members: String, model: String = "chat") throws -> (status: Int?, json: JSONValue) {
        var sink = Recorder()
        let messages = #""messages":[{"role":"user","content":"你好"}]"#
        service.answer(post("/v1/chat/completions", #"{"model":"\#(model)",\#(messages),\#(members)}"#), to: &sink)
        return (sink.status, try sink.json)
    }

    private func choice(_ members: String) throws -> JSONValue {
        let (status, json) = try ask(members)
        guard status == 200, case .array(let choices) = json["choices"], let first = choices.first else {
            throw ServiceError(String(decoding: json.encoded, as: UTF8.self))
        }
        return first
    }

    @Test func answersWithTheMostProbableChoice() throws {
        let texts = ["天", "好天气", "好", "abc"]
        let list = texts.map { "\"\($0)\"" }.joined(separator: ",")
        let answer = try choice(#""guided_choice":[\#(list)],"logprobs":true,"top_logprobs":4"#)
        // By brute force: the product of the softmax at each place is what the scorer has; it is tested for itself.
        guard case .string(let text) = answer["message"]?["content"] else { throw ServiceError("no text") }
        #expect(texts.contains(text))
        #expect(answer["finish_reason"] == "stop")
        let again = try choice(#""structured_outputs":{"choice":[\#(list)]},"temperature":0"#)
        #expect(again["message"] == answer["message"])
        guard case .array(let entries) = answer["logprobs"]?["content"] else { throw ServiceError("no logprobs") }
        #expect(entries.count == text.utf8.count)  // this tokenizer's tokens are bytes
    }

    @Test func countsTheChoicesTokens() throws {
        let (_, json) = try ask(#""guided_choice":["ab","cd"]"#)
        #expect(json["usage"]?["completion_tokens"] == 2)
        #expect(json["labels"]?["sentiment"] != nil)
        let (_, single) = try ask(#""guided_choice":["abc"]"#)
        #expect(single["usage"]?["completion_tokens"] == 3)
        guard case .array(let choices) = single["choices"] else { throw ServiceError("no choices") }
        #expect(choices[0]["message"]?["content"] == "abc")
    }

    @Test func quotesWhatTheSchemaQuotes() throws {
        let schema = #"{"type":"string","enum":["好","坏"]}"#
        let format = #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":\#(schema)}}"#
        #expect([#""好""#, #""坏""#].contains(try choice(format)["message"]?["content"]))
    }

    @Test func drawsByTheSeed() throws {
        let members = #""guided_choice":["a","b","c","d"],"temperature":2"#
        let texts = try (0..<24).map { try choice("\(members),\"seed\":\($0)")["message"]?["content"]?.encoded }
        #expect(Set(texts).count > 1)
        #expect(try (0..<24).map { try choice("\(members),\"seed\":\($0)")["message"]?["content"]?.encoded } == texts)
    }

    @Test(arguments: [
        ("chat", #""guided_choice":["abc","d"],"max_tokens":2"#, "max_tokens"),
        ("chat", #""guided_choice":["abc","d"],"max_completion_tokens":2"#, "max_completion_tokens"),
        ("chat", #""guided_choice":["abc","d"],"stop":"b""#, "stop"),
        ("chat", "\"guided_choice\":[\"a\",\"\(String(repeating: "长", count: 200))\"]", "guided_choice"),
        ("sentiment", #""guided_choice":["a","b"]"#, "guided_choice"),
        ("sentiment", #""max_tokens":1"#, "max_tokens"),
        ("sentiment", #""stop":["x","面"]"#, "stop"),
    ])
    func refusesWhatWouldCutTheAnswer(model: String, members: String, param: String) throws {
        let (status, json) = try ask(members, model: model)
        #expect(status == 400)
        #expect(json["error"]?["param"] == .string(param))
    }

    @Test func aModelByItsName() throws {
        var sink = Recorder()
        service.answer(get("/v1/models/chat"), to: &sink)
        #expect(try sink.json["id"] == "chat")
        for path in ["/v1/models/nobody", "/v1/models/", "/v1/models/a/b"] {
            var other = Recorder()
            service.answer(get(path), to: &other)
            #expect(other.status == 404)
        }
    }
}
