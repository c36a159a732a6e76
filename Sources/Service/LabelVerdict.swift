import Glibc
import Roles
package import Scheduling

/// A label with its certainty.
package struct LabelVerdict: Sendable {
    package let label: String
    /// The label's index in the role's order.
    package let best: Int
    /// In the role's order; sums to 1.
    package let probabilities: [(label: String, probability: Double)]
    /// Distance to the second most probable label.
    package let margin: Double
    /// The margin is below the role's `abstain_below`.
    package let isAbstained: Bool
    /// The text was cut to the role's length before it was judged.
    package let isTruncated: Bool
    /// Natural logarithms in the role's order, before calibration.
    let logProbabilities: [Double]
    /// What it cost.
    package let result: GenerationResult

    /// - Parameter calibration: nil: none.
    init(
        labels: [String],
        logProbabilities: [Double],
        calibration: Calibration?,
        abstainBelow: Double?,
        isTruncated: Bool,
        result: GenerationResult
    ) {
        let probabilities = calibration?.probabilities(logProbabilities) ?? logProbabilities.map { exp($0) }
        let ranked = probabilities.sorted(by: >)
        // By the logarithms, in which no probability is too small to be told from another; of equals the lowest index.
        let scores = calibration == nil ? logProbabilities : probabilities
        best = scores.indices.reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
        label = labels[best]
        margin = ranked[0] - ranked[1]
        isAbstained = abstainBelow.map { ranked[0] - ranked[1] < $0 } ?? false
        self.probabilities = Array(zip(labels, probabilities))
        self.logProbabilities = logProbabilities
        self.isTruncated = isTruncated
        self.result = result
    }

    package var probability: Double { probabilities[best].probability }

    /// `{"label","probs":[…],"labels":[…],"margin","abstained","truncated"}`
    var json: JSONValue {
        [
            "label": .string(label), "probs": probabilitiesJSON, "labels": labelsJSON, "margin": .number(margin),
            "abstained": .bool(isAbstained), "truncated": .bool(isTruncated),
        ]
    }

    /// An item of `/v1/classify`: vLLM's members, and more.
    func item(_ index: Int) -> JSONValue {
        [
            "index": .integer(index), "label": .string(label), "probs": probabilitiesJSON, "labels": labelsJSON,
            "margin": .number(margin), "abstained": .bool(isAbstained), "truncated": .bool(isTruncated),
            "tokens": .integer(result.promptTokens), "num_classes": .integer(probabilities.count),
        ]
    }

    /// The verdict and its text as one line of JSON.
    package func jsonLine(text: String) -> String {
        let line: JSONValue = [
            "text": .string(text), "label": .string(label), "probs": probabilitiesJSON, "labels": labelsJSON,
            "margin": .number(margin), "abstained": .bool(isAbstained), "truncated": .bool(isTruncated),
            "tokens": .integer(result.promptTokens),
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }

    /// In the role's order.
    private var probabilitiesJSON: JSONValue { .array(probabilities.map { .number($0.probability) }) }

    /// The names in the same order.
    private var labelsJSON: JSONValue { .array(probabilities.map { .string($0.label) }) }
}
