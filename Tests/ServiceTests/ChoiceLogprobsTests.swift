import Glibc
import ModelFiles
import Scheduling
import Testing

@testable import Service

@Suite struct ChoiceLogprobsTests {
    let choices = ChoiceLogprobs(
        choices: [[1, 2], [1, 3], [4], [1, 3, 5]],
        probabilities: [0.5, 0.2, 0.2, 0.1],
        end: 9
    )

    @Test func theirProductIsTheAnswersProbability() {
        let tokens = choices.tokens(of: 0, top: 0)
        #expect(tokens.map(\.chosen.token) == [1, 2])
        #expect(abs(exp(tokens.reduce(0) { $0 + Double($1.chosen.logprob) }) - 0.5) < 1e-6)
        #expect(tokens.allSatisfy { $0.top.isEmpty })
        let longer = choices.tokens(of: 3, top: 0)
        #expect(abs(exp(longer.reduce(0) { $0 + Double($1.chosen.logprob) }) - 0.1) < 1e-6)
    }

    @Test func alternativesAreWhatTheOthersGoOnWith() {
        let tokens = choices.tokens(of: 3, top: 2)
        #expect(tokens[0].top.map(\.token) == [1, 4])
        #expect(tokens[1].top.map(\.token) == [2, 3])
        #expect(tokens[2].top.map(\.token) == [9, 5])  // one text ends where the other goes on
        #expect(abs(exp(Double(tokens[2].top[1].logprob)) - 1 / 3) < 1e-6)
        #expect(choices.tokens(of: 2, top: 1)[0].top.map(\.token) == [1])
    }

    @Test func theImpossibleStaysANumber() {
        let certain = ChoiceLogprobs(choices: [[1], [2]], probabilities: [0, 1], end: 9)
        #expect(certain.tokens(of: 0, top: 2)[0].chosen.logprob == -9999)
        let nothing = ChoiceLogprobs(choices: [[1], [2]], probabilities: [0, 0], end: 9)
        #expect(nothing.tokens(of: 0, top: 2)[0].chosen.logprob == 0)
    }
}
