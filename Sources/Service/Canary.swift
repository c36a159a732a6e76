import ModelFiles
import Scheduling
import Tokenization

/// A short prompt run before the service calls itself ready: proof that tokenizer, weights, scheduler and sampler work
/// together. The roles' own prompts are longer and filled right after.
struct Canary {
    static let text = "今天的服务很好。"
    private static let newTokens = 2

    let engine: RoleEngine

    func run() throws -> CanaryReading {
        let tokenizer = engine.tokenizer
        let prompt = tokenizer.encode(Self.text)
        guard tokenizer.decode(prompt) == Self.text else {
            throw ServiceError("the tokenizer does not give a text back as it was; convert the model anew")
        }
        let handle = try engine.scheduler.submit(
            GenerationRequest(
                prompt: prompt,
                maxNewTokens: Self.newTokens,
                bannedFrom: TokenID(tokenizer.count),
                topLogprobs: 1
            )
        )
        var reading = CanaryReading()
        while true {
            switch handle.next(timeoutMilliseconds: 1_000) {
            case nil: continue
            case .token: if let entry = handle.logprobs(at: reading.tokens.count) { reading.tokens.append(entry) }
            case .finished: return reading
            case .failed(let failure): throw failure
            }
        }
    }
}

/// What the model went on with after the canary's text, and how sure it was, to the last bit: each log-probability comes
/// of a sum over the whole vocabulary. Depends on weights, tokenizer and kernels, not on the roles.
struct CanaryReading: Equatable, CustomStringConvertible {
    var tokens: [TokenLogprobs] = []

    /// Tokens and the bits of their log-probabilities.
    var bits: String {
        tokens.flatMap { [$0.chosen] + $0.top }
            .map { "\($0.token):" + String($0.logprob.bitPattern, radix: 16) }.joined(separator: " ")
    }

    /// A line for the log.
    var description: String {
        tokens.map { "token \($0.chosen.token) at \($0.chosen.logprob)" }.joined(separator: ", ")
    }
}
