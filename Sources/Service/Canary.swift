import Scheduling
import Tokenization

/// A short prompt run before the service calls itself ready: proof that tokenizer, weights, scheduler and sampler work
/// together. The roles' own prompts are longer and filled right after.
struct Canary {
    static let text = "今天的服务很好。"
    private static let newTokens = 2

    let engine: RoleEngine

    /// A line for the log: what the model went on with, and how sure it was.
    func run() throws(ServiceError) -> String {
        let tokenizer = engine.tokenizer
        let prompt = tokenizer.encode(Self.text)
        guard tokenizer.decode(prompt) == Self.text else {
            throw ServiceError("canary: the tokenizer does not give a text back as it was; convert the model anew")
        }
        do {
            let handle = try engine.scheduler.submit(
                GenerationRequest(
                    prompt: prompt,
                    maxNewTokens: Self.newTokens,
                    bannedFrom: Int32(tokenizer.count),
                    topLogprobs: 1
                )
            )
            var findings: [String] = []
            while true {
                switch handle.next(timeoutMilliseconds: 1_000) {
                case nil: continue
                case .token(let token):
                    let logprob = handle.logprobs(at: findings.count)?.chosen.logprob
                    findings.append("token \(token) at \(logprob.map { "\($0)" } ?? "?")")
                case .finished: return findings.joined(separator: ", ")
                case .failed(let failure): throw failure
                }
            }
        } catch {
            throw ServiceError("canary: \(error)")
        }
    }
}
