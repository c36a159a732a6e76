/// Counts of right and wrong labels over a set of examples.
package struct Evaluation: Sendable {
    package let labels: [String]
    /// `[expected][given]`
    package private(set) var confusion: [[Int]]
    package private(set) var truncated = 0
    /// Time spent on all examples.
    package var elapsed = Duration.zero

    package init(labels: [String]) {
        self.labels = labels
        confusion = labels.map { _ in labels.map { _ in 0 } }
    }

    package mutating func add(expected: Int, _ verdict: LabelVerdict) {
        confusion[expected][verdict.best] += 1
        if verdict.isTruncated { truncated += 1 }
    }

    package var count: Int { confusion.reduce(0) { $0 + $1.reduce(0, +) } }
    package var correct: Int { labels.indices.reduce(0) { $0 + confusion[$1][$1] } }
    package var accuracy: Double { count > 0 ? Double(correct) / Double(count) : 0 }
    package var millisecondsPerText: Double { count > 0 ? elapsed.seconds * 1000 / Double(count) : 0 }

    package var table: String {
        var lines = [
            "accuracy \((accuracy * 100).rounded(decimals: 2))% (\(correct) of \(count)), "
                + "\(millisecondsPerText.rounded(decimals: 2)) ms per text, \(truncated) texts cut to the role's length",
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
            "truncated": .integer(truncated), "milliseconds_per_text": .number(millisecondsPerText),
            "labels": .array(labels.map { .string($0) }),
            "confusion": .array(confusion.map { .array($0.map { .integer($0) }) }),
        ]
        return String(decoding: json.encoded, as: UTF8.self)
    }
}
