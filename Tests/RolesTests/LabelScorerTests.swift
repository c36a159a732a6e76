import Glibc
import Inference
import ModelFiles
import Testing

@testable import Roles

@Suite struct LabelScorerTests {
    static let end: TokenID = 99

    /// A toy model: logits depend on every token of the sequence so far.
    static func logit(_ sequence: [TokenID], _ token: TokenID, seed: UInt64, spread: Double) -> Float {
        var state = seed
        for id in sequence + [token] {
            var generator = SeededGenerator(state: state ^ UInt64(id))
            state = generator.next()
        }
        return Float((Double(state >> 11) / Double(1 << 53) - 0.5) * spread)
    }

    /// Does what the scheduler does, and counts the evaluated logits.
    static func run(_ scorer: inout LabelScorer, _ logit: ([TokenID], TokenID) -> Float) -> (steps: Int, rows: Int) {
        var sequence: [TokenID] = []
        var rows = 0
        for step in 1...1000 {
            let allowed = scorer.allowedTokens
            #expect(!allowed.isEmpty && Set(allowed).count == allowed.count)
            rows += allowed.count
            let logits = allowed.map { logit(sequence, $0) }
            switch logits.withUnsafeBufferPointer({ scorer.advance(logits: $0) }) {
            case .finished: return (step, rows)
            case .feed(let keeping, let tokens):
                #expect(keeping <= sequence.count && !tokens.isEmpty)
                #expect(sequence.count == keeping || sequence[keeping] != tokens[0], "drops what it could keep")
                sequence = Array(sequence[..<keeping]) + tokens
            }
        }
        Issue.record("does not finish")
        return (0, 0)
    }

    /// A label's probability by the definition: at each of its tokens, and at its end if others go on there, the
    /// softmax over what the labels with the same beginning have next.
    static func bruteForce(_ labels: [[TokenID]], _ logit: ([TokenID], TokenID) -> Float) -> [Double] {
        labels.map { label in
            var probability = 1.0
            for depth in 0...label.count {
                let start = Array(label[..<depth])
                let alike = labels.filter { $0.starts(with: start) }
                let next = Set(alike.map { $0.count == depth ? end : $0[depth] })
                let own = depth == label.count ? end : label[depth]
                let weights = next.map { (token: $0, weight: exp(Double(logit(start, $0)))) }
                let all = weights.reduce(0) { $0 + $1.weight }
                probability *= (weights.first { $0.token == own }?.weight ?? 0) / all
            }
            return probability
        }
    }

    @Test func equalsBruteForceOnRandomLabels() throws {
        var random = SeededGenerator(state: 7)
        for trial in 0..<400 {
            let alphabet = TokenID.random(in: 1...4, using: &random)
            var labels: [[TokenID]] = []
            for _ in 0..<Int.random(in: 2...20, using: &random) {
                let count = Int.random(in: 1...5, using: &random)
                let label = (0..<count).map { _ in TokenID.random(in: 1...alphabet, using: &random) }
                if !labels.contains(label) { labels.append(label) }
            }
            if labels.count < 2 { continue }
            let logit = { Self.logit($0, $1, seed: UInt64(trial), spread: 30) }
            var scorer = try LabelScorer(labels: labels, end: Self.end, source: "test")
            _ = Self.run(&scorer, logit)
            let expected = Self.bruteForce(labels, logit)
            for (value, wanted) in zip(scorer.probabilities, expected) {
                #expect(abs(value - wanted) <= 1e-12 * max(1e-3, wanted))
            }
            #expect(abs(scorer.probabilities.reduce(0, +) - 1) < 1e-12)
            #expect(scorer.isValid)
            let highest = try #require(expected.max())
            #expect(expected[scorer.best] >= highest * (1 - 1e-12))
            let sorted = expected.sorted(by: >)
            #expect(abs(scorer.margin - (sorted[0] - sorted[1])) < 1e-12)
        }
    }

    @Test func twoSingleTokenLabelsTakeOneStep() throws {
        var scorer = try LabelScorer(labels: [[1], [2]], end: Self.end, source: "test")
        #expect(scorer.allowedTokens == [1, 2])
        #expect(Self.run(&scorer) { _, token in token == 1 ? 0 : Float(log(3.0)) } == (1, 2))
        #expect(abs(scorer.probabilities[1] - 0.75) < 1e-7)
        #expect(scorer.best == 1)
        #expect(abs(scorer.margin - 0.5) < 1e-7)
    }

    @Test func isNoGreedyDescent() throws {
        // The first token favours 1 (0.6), but its labels share that; label [2] has 0.4 to itself.
        var scorer = try LabelScorer(labels: [[1, 3], [1, 4], [2]], end: Self.end, source: "test")
        _ = Self.run(&scorer) { sequence, token in sequence.isEmpty ? Float(log(token == 1 ? 0.6 : 0.4)) : 0 }
        #expect(scorer.best == 2)
    }

    @Test func runsSharedBeginningsWithoutEvaluation() throws {
        // 5 6 is shared: one row for the unused logit at the prompt's end, then the branch.
        var scorer = try LabelScorer(labels: [[5, 6, 1], [5, 6, 2, 7]], end: Self.end, source: "test")
        #expect(scorer.allowedTokens == [5])
        #expect(Self.run(&scorer) { _, _ in 0 } == (2, 3))
        #expect(scorer.probabilities == [0.5, 0.5])
    }

    @Test func aPrefixEndsWithTheEndToken() throws {
        var scorer = try LabelScorer(labels: [[1], [1, 2]], end: Self.end, source: "test")
        _ = Self.run(&scorer) { sequence, token in
            sequence == [1] ? Float(log(token == Self.end ? 0.9 : 0.1)) : 0
        }
        #expect(abs(scorer.probabilities[0] - 0.9) < 1e-7)
    }

    @Test func tiesTakeTheLowestIndex() throws {
        var scorer = try LabelScorer(labels: [[3], [1], [2]], end: Self.end, source: "test")
        _ = Self.run(&scorer) { _, token in token == 3 ? -1 : 1 }
        #expect(scorer.best == 1)
    }

    @Test func copesWithHugeLogits() throws {
        var scorer = try LabelScorer(labels: [[1], [2, 3], [2, 4]], end: Self.end, source: "test")
        _ = Self.run(&scorer) { _, token in token == 1 ? Float.greatestFiniteMagnitude : -Float.greatestFiniteMagnitude
        }
        #expect(scorer.probabilities == [1, 0, 0])
        #expect(scorer.isValid)
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func saysWhenLogitsAreBroken(_ value: Float) throws {
        var scorer = try LabelScorer(labels: [[1], [2, 3], [2, 4]], end: Self.end, source: "test")
        _ = Self.run(&scorer) { _, token in token == 2 ? value : 0 }
        #expect(!scorer.isValid)
        let nothing = UnsafeBufferPointer<Float>(start: nil, count: 0)
        var other = try LabelScorer(labels: [[1], [2]], end: Self.end, source: "test")
        _ = other.advance(logits: nothing)
        #expect(!other.isValid)
    }

    @Test func refusesLabelsThatCannotBeTold() {
        for labels: [[TokenID]] in [[], [[1]], [[1], [1]], [[1], []], [[1], [2, Self.end]]] {
            #expect(throws: RoleError.self) { try LabelScorer(labels: labels, end: Self.end, source: "test") }
        }
    }
}
