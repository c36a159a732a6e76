import ModelFiles
import Scheduling
import Tokenization

/// Log-probabilities in the shape of the OpenAI API.
extension Tokenizer {
    /// `{"token","logprob","bytes","top_logprobs"}`
    func json(_ token: SentToken) -> JSONValue {
        var entry = json(token.bytes, token.logprobs.chosen)
        let top = token.logprobs.top.map { json(name(of: $0.token), $0) }
        entry.append(JSONValue.Member(name: "top_logprobs", value: .array(top)), if: true)
        return entry
    }

    /// Part of a character is shown as U+FFFD; its bytes are exact.
    private func json(_ bytes: [UInt8], _ entry: TokenLogprobs.Entry) -> JSONValue {
        [
            "token": .string(String(decoding: bytes, as: UTF8.self)), "logprob": .number(Double(entry.logprob)),
            "bytes": .array(bytes.map { .integer(Int($0)) }),
        ]
    }
}
