import ArgumentParser
import Glibc
import Scheduling
import Service

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a label role on a TSV file of examples.",
        discussion: """
            Each line has a label, a tab and a text; a first line that begins with "label" is a header. A label is one of \
            the role's own, or for two labels 1 for the first and 0 for the second (for sentiment: 1 is 正面, 0 is 负面). \
            Texts are judged one after the other, so that the latency is that of a text by itself.

            Example: qwen-all-in-one evaluate --role sentiment dev.tsv
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
        let labels = try engine.labels(ofRole: role)
        let examples = try LabelledExamples(path: file, labels: labels, limit: limit ?? .max)
        try engine.pinPrefixes()
        var evaluation = Evaluation(labels: labels)
        let clock = ContinuousClock()
        var shown = clock.now
        for (text, expected) in zip(examples.texts, examples.expected) {
            let start = clock.now
            let verdict = try engine.classify([text], role: role)[0]
            evaluation.add(expected: expected, verdict, latency: start.duration(to: clock.now))
            if clock.now - shown >= .seconds(1) {
                shown = clock.now
                note(evaluation.progress(of: examples.texts.count))
            }
        }
        print(json ? evaluation.jsonLine : evaluation.table)
    }

    /// Progress goes to standard error, one line each.
    private func note(_ line: String) {
        let bytes = Array("\(line)\n".utf8)
        _ = write(STDERR_FILENO, bytes, bytes.count)
    }
}
