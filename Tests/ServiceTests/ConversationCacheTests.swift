import Logging
import Metrics
import Roles
import Scheduling
import Testing

@testable import Service

/// Conversations through the API, with the texts that a client sends back.
@Suite struct ConversationCacheTests {
    private struct Answer {
        var text: String
        var prompt: Int
        var cached: Int
        var prefilled: Int { prompt - cached }
    }

    private let service: MainService
    private let test: TestEngine

    init() throws {
        test = try TestEngine()
        try test.engine.pinPrefixes()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        service = MainService(state: test.state, logger: logger)
    }

    private func message(_ author: String, _ text: String) -> JSONValue {
        ["role": .string(author), "content": .string(text)]
    }

    private func ask(_ messages: [JSONValue], salt: String? = nil, address: String? = nil) throws -> Answer {
        var body: JSONValue = ["model": "chat", "max_tokens": 16, "messages": .array(messages)]
        if let salt { body.append(JSONValue.Member(name: "cache_salt", value: .string(salt)), if: true) }
        var call = post("/v1/chat/completions", String(decoding: body.encoded, as: UTF8.self))
        call.clientAddress = address
        var sink = Recorder()
        service.answer(call, to: &sink)
        let answer = try sink.json
        guard case .array(let choices) = answer["choices"], case .string(let text) = choices[0]["message"]?["content"],
            case .integer(let prompt) = answer["usage"]?["prompt_tokens"],
            case .integer(let cached) = answer["usage"]?["prompt_tokens_details"]?["cached_tokens"]
        else { throw APIError.internalFault("no answer: \(sink.text)") }
        return Answer(text: text, prompt: prompt, cached: cached)
    }

    private var prefix: Int { test.engine.book.prefixes["chat"]?.count ?? 0 }

    /// Ten turns, each with all that was said before.
    private func converse(salt: String? = nil, address: String? = nil) throws -> [Answer] {
        var messages: [JSONValue] = []
        var answers: [Answer] = []
        for turn in 0..<10 {
            messages.append(message("user", "第\(turn)句话，今天天气怎么样？"))
            answers.append(try ask(messages, salt: salt, address: address))
            messages.append(message("assistant", answers[turn].text))
        }
        return answers
    }

    @Test func tenTurnsPrefillOnlyWhatIsNew() throws {
        let cold = try converse()
        #expect(cold.allSatisfy { $0.cached == prefix })
        let salted = try converse(salt: "a conversation")
        let addressed = try converse(address: "192.0.2.7")
        for answers in [salted, addressed] {
            #expect(answers.map(\.text) == cold.map(\.text))
            #expect(answers.map(\.prompt) == cold.map(\.prompt))
            #expect(answers[0].cached == prefix)
        }
        for turn in 1..<10 {
            let new = cold[turn].prompt - cold[turn - 1].prompt
            #expect(salted[turn].prefilled <= new)
            #expect(addressed[turn].prefilled <= new + 31)
            #expect(addressed[turn].cached % 32 == 0)
        }
        // All but the messages themselves, once: the cold run computes each of them up to ten times.
        let total = salted.reduce(0) { $0 + $1.prefilled }
        #expect(total <= cold[9].prompt - prefix)
        #expect(total * 4 < cold.reduce(0) { $0 + $1.prefilled })
        #expect(test.metrics.conversationCacheHits.value == 18)
        #expect(test.engine.scheduler.snapshot.kvBlocksUsed == test.engine.scheduler.snapshot.kvBlocksPinned)
        #expect(test.engine.scheduler.snapshot.kvBlocksCached > 0)
    }

    @Test func saltsAndAddressesKeepApart() throws {
        let text = [message("user", String(repeating: "只有我知道的话。", count: 20))]
        let owners: [(salt: String?, address: String?)] = [
            ("a", nil), ("b", "192.0.2.1"), ("192.0.2.1", nil), (nil, "192.0.2.1"), (nil, "192.0.2.2"), (nil, nil),
        ]
        for owner in owners {
            #expect(try ask(text, salt: owner.salt, address: owner.address).cached == prefix)
        }
        #expect(try ask(text, salt: "a", address: "192.0.2.9").cached > 400)
        #expect(try ask(text, address: "192.0.2.2").cached > 400)
        #expect(try ask(text).cached == prefix)
    }
}
