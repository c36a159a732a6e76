import ArgumentParser
import Scheduling
import Glibc
import Service

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a label role on a TSV file of examples.",
        discussion: """
            The file has a header line with the columns label and text_a, and one example a line. A label is one of the \
            role's own, or for two labels 1 for the first and 0 for the second (for sentiment: 1 is 正面, 0 is 负面).
            """
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "Role to measure.") var role = "sentiment"
    @Option(help: "Examples to use from the start (default: all).") var limit: Int?
    @Flag(help: "Print one JSON object.") var json = false
    @Argument(help: "TSV file.") var file: String

    func run() throws {
        let engine = try engine.startEngine()
        defer { engine.scheduler.stop() }
        guard let labels = engine.labels(ofRole: role) else {
            throw ValidationError("\(role) is no label role; it must name one with labels.")
        }
        let examples = try LabelledExamples(path: file, labels: labels, limit: limit ?? .max)
        try engine.pinPrefixes()
        var evaluation = Evaluation(labels: labels)
        let clock = ContinuousClock()
        var start = 0
        while start < examples.texts.count {
            let end = min(start + 8 * self.engine.maxSequences, examples.texts.count)
            var verdicts: [LabelVerdict] = []
            evaluation.elapsed += try clock.measure {
                verdicts = try engine.classify(Array(examples.texts[start..<end]), role: role)
            }
            for (expected, verdict) in zip(examples.expected[start..<end], verdicts) {
                evaluation.add(expected: expected, verdict)
            }
            start = end
        }
        print(json ? evaluation.jsonLine : evaluation.table)
    }
}
