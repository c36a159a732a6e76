import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct ChatRequestTests {
    func parse(_ members: String) throws(APIError) -> ChatRequest {
        try ChatRequest(body: Array("{\"model\":\"chat\",\(members)}".utf8))
    }

    let hello = #""messages":[{"role":"user","content":"你好"}]"#

    @Test func readsWhatClientsSend() throws {
        let messages = #"""
            "messages":[{"role":"developer","content":"short"},
            {"role":"user","name":"a","content":[{"type":"text","text":"你"},{"type":"text","text":"好"}]},
            {"role":"assistant","content":"嗨","refusal":null,"tool_calls":[]},{"role":"user","content":"x"}]
            """#
        let options = #"""
            "stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"max_completion_tokens":5,
            "stop":["a","b"],"seed":1,"temperature":0.7,"top_p":1,"n":1,"user":"u","metadata":{"a":"b"},"store":false,
            "cache_salt":"s",
            "logprobs":false,"tools":[],"frequency_penalty":0,"response_format":{"type":"text"},"presence_penalty":null
            """#
        let request = try parse("\(messages),\(options)")
        #expect(request.messages.map(\.author) == [.system, .user, .assistant, .user])
        #expect(request.messages[1].content == "你好")
        #expect(request.stream && request.includeUsage)
        #expect(request.maxTokens == 5)
        #expect(request.stop == ["a", "b"])
        #expect(request.cacheSalt == "s")
        #expect(try parse(hello).cacheSalt == nil)
    }

    @Test func readsHowTheReplyIsDrawn() throws {
        let drawn = try parse(hello + #","temperature":0.7,"top_p":0.9,"seed":-1"#)
        #expect(drawn.sampling == Sampling(temperature: 0.7, topP: 0.9, seed: .max))
        for greedy in [#""temperature":0,"seed":7"#, #""top_p":0.5"#, #""temperature":null"#] {
            #expect(try parse("\(hello),\(greedy)").sampling == nil)
        }
        let unseeded = try parse("\(hello),\"temperature\":1")
        #expect(unseeded.sampling?.seed != unseeded.sampling?.seed)
    }

    @Test func readsWhichLogprobsAreWanted() throws {
        #expect(try parse(hello).topLogprobs == nil)
        #expect(try parse("\(hello),\"logprobs\":true").topLogprobs == 0)
        #expect(try parse("\(hello),\"logprobs\":true,\"top_logprobs\":20").topLogprobs == 20)
        #expect(try parse("\(hello),\"logprobs\":false,\"top_logprobs\":0").topLogprobs == nil)
    }

    @Test(arguments: [
        (#""messages":"x""#, "messages", "messages must be an array"),
        (#""messages":[1]"#, "messages[0]", "messages[0] must be an object"),
        (
            #""messages":[{"role":"user","content":1}]"#, "messages[0].content",
            "messages[0].content must be a string or an array of text parts"
        ),
        (
            #""messages":[{"role":"user","content":[{"type":"image_url"}]}]"#, "messages[0].content[0]",
            "messages[0].content[0] must be a text part"
        ),
        (
            #""messages":[{"role":"tool","content":"x"}]"#, "messages[0].role",
            "messages[0].role must be system, developer, user or assistant"
        ),
    ])
    func namesTheFaultInMessages(members: String, param: String, message: String) throws {
        let error = try #require(throws: APIError.self) { try parse(members) }
        #expect(error.status == 400)
        #expect(error.param == param)
        #expect(error.message == message)
    }

    @Test(arguments: [
        ("temperature", "2.5"), ("temperature", #""hot""#), ("top_p", "-1"), ("n", "2"), ("logprobs", "1"),
        ("store", "true"),
        ("top_logprobs", "3"), ("top_logprobs", "21"), ("tools", #"[{"type":"function"}]"#), ("functions", "[{}]"),
        ("response_format", #"{"type":"json_object"}"#), ("frequency_penalty", "1"), ("logit_bias", #"{"1":5}"#),
        ("guided_choice", "[]"), ("max_tokens", "0"), ("max_completion_tokens", "-1"), ("max_tokens", #""9""#),
        ("max_tokens", "1.5"), ("stop", "[\"a\",\"b\",\"c\",\"d\",\"e\"]"), ("stop", "7"), ("stop", "[\"\"]"),
        ("stream", "1"), ("stream_options", #"{"include_usage":true}"#), ("seed", "1.5"), ("surprise", "1"),
        ("cache_salt", "7"), ("cache_salt", #""""#), ("cache_salt", "\"\(String(repeating: "x", count: 65))\""),
    ])
    func namesTheFaultyParameter(name: String, value: String) throws {
        let error = try #require(throws: APIError.self) { try parse("\(hello),\"\(name)\":\(value)") }
        #expect(error.status == 400)
        #expect(error.param == name)
        #expect(error.message.contains(name))
    }

    @Test func boundsTheNumberOfMessages() throws {
        let many = Array(repeating: #"{"role":"user","content":"a"}"#, count: 25_000).joined(separator: ",")
        let error = try #require(throws: APIError.self) { try parse("\"messages\":[\(many)]") }
        #expect(error.message == "messages has 25000 entries, the limit is 20000")
    }

    @Test(arguments: ["", "null", "[]", "{", "7", "{}", "{\"model\":7,\"messages\":[]}"])
    func refusesOtherBodies(body: String) throws {
        let error = try #require(throws: APIError.self) { try ChatRequest(body: Array(body.utf8)) }
        #expect(error.status == 400)
    }
}
