/// Counts of right and wrong labels over a set of examples, and how long each took.
package struct Evaluation: Sendable {
    package let labels: [String]
    /// `[expected][given]`
    package private(set) var confusion: [[Int]]
    package private(set) var truncated = 0
    /// Of each text, in order.
    private var seconds: [Double] = []

    package init(labels: [String]) {
        self.labels = labels
        confusion = labels.map { _ in labels.map { _ in 0 } }
    }

    /// - Parameter latency: of the text judged by itself, from submission to verdict.
    package mutating func add(expected: Int, _ verdict: LabelVerdict, latency: Duration) {
        confusion[expected][verdict.best] += 1
        if verdict.isTruncated { truncated += 1 }
        seconds.append(latency.seconds)
    }

    package var count: Int { confusion.reduce(0) { $0 + $1.reduce(0, +) } }
    package var correct: Int { labels.indices.reduce(0) { $0 + confusion[$1][$1] } }
    package var accuracy: Double { count > 0 ? Double(correct) / Double(count) : 0 }

    /// `123 of 1200, accuracy 81.3%`
    package func progress(of total: Int) -> String {
        "\(count) of \(total), accuracy \((accuracy * 100).rounded(decimals: 1))%"
    }

    /// The latency that this share of the texts does not exceed, in milliseconds (nearest rank).
    func latency(_ share: Double) -> Double {
        let rank = Int((share * Double(seconds.count)).rounded(.up))
        return seconds.isEmpty ? 0 : seconds.sorted()[max(rank, 1) - 1] * 1000
    }

    private var latencies: [(name: String, milliseconds: Double)] {
        [("p50", latency(0.5)), ("p95", latency(0.95)), ("max", latency(1))].map { ($0, $1.rounded(decimals: 2)) }
    }

    package var table: String {
        let percent = (accuracy * 100).rounded(decimals: 2)
        var lines = [
            "accuracy \(percent)% (\(correct) of \(count)), \(truncated) texts cut to the role's length",
            "latency " + latencies.map { "\($0) \($1) ms" }.joined(separator: ", "),
            (["expected \\ given"] + labels).joined(separator: "\t"),
        ]
        for (label, row) in zip(labels, confusion) {
            lines.append(([label] + row.map { String($0) }).joined(separator: "\t"))
        }
        return lines.joined(separator: "\n")
    }

    package var jsonLine: String {
        let json: JSONValue = [
            "accuracy": .number(accuracy), "correct": .integer(correct), "count": .integer(count),
            "truncated": .integer(truncated),
            "latency_milliseconds": .object(
                latencies.map { JSONValue.Member(name: $0, value: .number($1)) }
            ),
            "labels": .array(labels.map { .string($0) }),
            "confusion": .array(confusion.map { .array($0.map { .integer($0) }) }),
        ]
        return String(decoding: json.encoded, as: UTF8.self)
    }
}
