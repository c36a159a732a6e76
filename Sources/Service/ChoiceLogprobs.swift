import Glibc
import ModelFiles
import Scheduling

/// The log-probabilities of the tokens of an answer that is one of several texts: at each token, that of the texts that go
/// on with it among those that begin as the answer does. Their product is the answer's probability, but where it is the
/// beginning of another text.
struct ChoiceLogprobs {
    /// Token ids of each text.
    let choices: [[TokenID]]
    /// Of each text; their sum is 1.
    let probabilities: [Double]
    /// Stands for the end of a text.
    let end: TokenID

    /// As in the OpenAI API, where minus infinity has no place.
    private static let least = -9999.0

    /// - Parameter top: most alternatives of each token.
    func tokens(of choice: Int, top: Int) -> [TokenLogprobs] {
        choices[choice].indices.map { position in
            let prefix = choices[choice][..<position]
            var alternatives: [(token: TokenID, probability: Double)] = []
            for (ids, probability) in zip(choices, probabilities) where ids.starts(with: prefix) {
                let next = ids.count > position ? ids[position] : end
                if let known = alternatives.firstIndex(where: { $0.token == next }) {
                    alternatives[known].probability += probability
                } else {
                    alternatives.append((next, probability))
                }
            }
            let sum = alternatives.reduce(0) { $0 + $1.probability }
            let entries = alternatives.map { next, probability in
                let logprob = sum > 0 ? max(Self.least, log(probability / sum)) : 0
                return TokenLogprobs.Entry(token: next, logprob: Float(logprob))
            }
            // Sorting keeps no order of equals, so their place decides.
            let order = entries.indices.sorted {
                entries[$0].logprob > entries[$1].logprob || (entries[$0].logprob == entries[$1].logprob && $0 < $1)
            }
            let chosen = entries.first { $0.token == choices[choice][position] }
            return TokenLogprobs(
                chosen: chosen ?? .init(token: choices[choice][position], logprob: 0),
                top: order.prefix(top).map { entries[$0] }
            )
        }
    }
}
