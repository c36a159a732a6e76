package import Roles
package import Scheduling

/// The body of `POST /v1/chat/completions`, checked. Content parts of one message are joined without a separator.
package struct ChatRequest: Sendable, Equatable {
    /// About as many as a body of the largest size can hold: a long conversation is cut, not refused.
    package static let maxMessages = 20_000
    package static let maxStops = 4
    /// Characters of one stop text.
    package static let maxStopLength = 256
    /// Bytes of `cache_salt`.
    package static let maxSaltLength = 64

    package var model: String
    package var messages: [Message]
    package var stream: Bool
    package var includeUsage: Bool
    package var maxTokens: Int?
    /// Which of its two names the client used.
    package var maxTokensName: String
    package var stop: [String]
    /// nil or 0: the most probable text.
    package var temperature: Double?
    package var topP: Double?
    package var seed: Int?
    /// The answer is one of these texts; nil: free text, or the role's labels.
    package var choices: [String]?
    /// The parameter that they came in.
    package var choicesName: String?
    /// Alternatives of each token in the answer's log-probabilities; nil: none are asked for.
    package var topLogprobs: Int?
    /// Conversations with another salt, or without one, share nothing with this one (vLLM's name).
    package var cacheSalt: String?

    private static let read: Set<String> = [
        "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "seed",
        "temperature", "top_p", "logprobs", "top_logprobs", "response_format", "structured_outputs", "guided_choice",
        "cache_salt",
    ]
    /// They do not change what a reply says.
    private static let ignored: Set<String> = [
        "user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "parallel_tool_calls",
    ]
    private static let unaltered = "tokens keep the probabilities that the model gives them; leave it out"
    private static let textOnly = "replies are plain text; leave it out"
    /// Parameters that are taken with these values only: those that change nothing.
    static let neutral: [(name: String, values: [JSONValue], reason: String)] = [
        ("n", [1], "one choice per request"),
        ("frequency_penalty", [0, .number(0)], unaltered),
        ("presence_penalty", [0, .number(0)], unaltered),
        ("logit_bias", [[:]], unaltered),
        ("store", [false], "nothing is kept; leave it out"),
        ("tools", [[]], textOnly),
        ("tool_choice", ["none", "auto"], textOnly),
        ("functions", [[]], textOnly),
        ("function_call", ["none", "auto"], textOnly),
        ("modalities", [["text"]], textOnly),
        ("audio", [], textOnly),
        ("prediction", [], textOnly),
        ("reasoning_effort", ["none"], textOnly),
        ("verbosity", [], textOnly),
        ("web_search_options", [], textOnly),
    ]
    static let allowed = read.union(ignored).union(neutral.map(\.name))

    package init(body: [UInt8]) throws(APIError) {
        let reader = try RequestReader(body, allowed: Self.allowed)
        for (name, values, reason) in Self.neutral { try reader.require(name, toBe: values, because: reason) }
        seed = try reader.integer("seed", in: .min ... .max)
        temperature = try reader.number("temperature", in: 0...2)
        topP = try reader.number("top_p", in: 0...1)
        topLogprobs = try Self.topLogprobs(reader)
        model = try reader.string("model")
        stream = try reader.bool("stream") ?? false
        includeUsage = try Self.includeUsage(reader, stream: stream)
        let maxTokens = try reader.integer("max_tokens", in: 1 ... .max)
        let maxCompletionTokens = try reader.integer("max_completion_tokens", in: 1 ... .max)
        self.maxTokens = maxCompletionTokens ?? maxTokens
        maxTokensName = maxCompletionTokens == nil ? "max_tokens" : "max_completion_tokens"
        let choice = try ChoiceRequest(reader)
        choices = choice?.texts
        choicesName = choice?.param
        stop = try Self.stop(reader)
        cacheSalt = try Self.cacheSalt(reader)
        messages = try Self.messages(reader)
    }

    private static func includeUsage(_ reader: RequestReader, stream: Bool) throws(APIError) -> Bool {
        guard let options = reader.value("stream_options") else { return false }
        guard stream else { throw .invalid("stream_options goes with stream: true only", param: "stream_options") }
        guard case .object(let members) = options, members.allSatisfy({ $0.name.hasPrefix("include_") }) else {
            throw .invalid("stream_options must be an object with include_usage", param: "stream_options")
        }
        switch options["include_usage"] {
        case nil, .null: return false
        case .bool(let value): return value
        default:
            throw .invalid("stream_options.include_usage must be true or false", param: "stream_options.include_usage")
        }
    }

    /// How the reply is drawn; without a seed of the client's, each time otherwise.
    package var sampling: Sampling? {
        guard let temperature, temperature > 0 else { return nil }
        let seed = seed.map { UInt64(bitPattern: Int64($0)) } ?? .random(in: .min ... .max)
        return Sampling(temperature: temperature, topP: topP ?? 1, seed: seed)
    }

    var replyOptions: ReplyOptions {
        ReplyOptions(maxTokens: maxTokens, sampling: sampling, topLogprobs: topLogprobs, choices: choices)
    }

    private static func topLogprobs(_ reader: RequestReader) throws(APIError) -> Int? {
        let top = try reader.integer("top_logprobs", in: 0...GenerationRequest.maxTopLogprobs) ?? 0
        guard try reader.bool("logprobs") ?? false else {
            guard top == 0 else { throw .invalid("top_logprobs goes with logprobs: true only", param: "top_logprobs") }
            return nil
        }
        return top
    }

    private static func stop(_ reader: RequestReader) throws(APIError) -> [String] {
        let values: [JSONValue]
        switch reader.value("stop") {
        case nil: return []
        case .array(let elements): values = elements
        case .some(let value): values = [value]
        }
        guard values.count <= maxStops else {
            throw .invalid("stop has \(values.count) texts, the limit is \(maxStops)", param: "stop")
        }
        var stops: [String] = []
        for value in values {
            guard case .string(let text) = value, !text.isEmpty, text.utf8.count <= maxStopLength else {
                throw .invalid("stop must be a text or texts of 1 to \(maxStopLength) bytes", param: "stop")
            }
            stops.append(text)
        }
        return stops
    }

    private static func cacheSalt(_ reader: RequestReader) throws(APIError) -> String? {
        guard let value = reader.value("cache_salt") else { return nil }
        guard case .string(let salt) = value, (1...maxSaltLength).contains(salt.utf8.count) else {
            throw .invalid("cache_salt must be a text of 1 to \(maxSaltLength) bytes", param: "cache_salt")
        }
        return salt
    }

    private static func messages(_ reader: RequestReader) throws(APIError) -> [Message] {
        guard case .array(let values) = try reader.requiredValue("messages") else {
            throw .invalid("messages must be an array", param: "messages")
        }
        guard values.count <= maxMessages else {
            throw .invalid("messages has \(values.count) entries, the limit is \(maxMessages)", param: "messages")
        }
        var messages: [Message] = []
        messages.reserveCapacity(values.count)
        for (index, value) in values.enumerated() { messages.append(try message(value, "messages[\(index)]")) }
        return messages
    }

    private static func message(_ value: JSONValue, _ param: String) throws(APIError) -> Message {
        guard case .object(let members) = value else { throw .invalid("\(param) must be an object", param: param) }
        // Answers that clients send back carry empty members such as "refusal": null.
        let extra = members.first {
            !["role", "content", "name"].contains($0.name) && $0.value != .null && $0.value != []
        }
        if let extra {
            let name = "\(param).\(extra.name.prefix(64))"
            throw .unsupported(name, "\(name) is not supported: messages are plain text; leave it out")
        }
        let author: Message.Author
        switch value["role"] {
        case "system", "developer": author = .system
        case "user": author = .user
        case "assistant": author = .assistant
        default:
            throw .invalid("\(param).role must be system, developer, user or assistant", param: "\(param).role")
        }
        return Message(author: author, content: try content(value["content"], "\(param).content"))
    }

    private static func content(_ value: JSONValue?, _ param: String) throws(APIError) -> String {
        switch value {
        case .string(let text): return text
        case .array(let parts):
            var text = ""
            for (index, part) in parts.enumerated() {
                guard part["type"] == "text", case .string(let piece) = part["text"] else {
                    throw .invalid("\(param)[\(index)] must be a text part", param: "\(param)[\(index)]")
                }
                text += piece
            }
            return text
        default: throw .invalid("\(param) must be a string or an array of text parts", param: param)
        }
    }
}
