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
    /// What it cost.
    package let result: GenerationResult

    package var probability: Double { probabilities[best].probability }

    /// `{"label","probs":[…],"labels":[…],"margin","abstained"}`
    var json: JSONValue {
        [
            "label": .string(label), "probs": probabilitiesJSON, "labels": labelsJSON, "margin": .number(margin),
            "abstained": .bool(isAbstained),
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
