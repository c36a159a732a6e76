import ArgumentParser
import Scheduling
import Service

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Label texts: the arguments, or the lines of standard input.",
        discussion: """
            Prints label, probability and text, separated by tabs; with --json one object a line.

            Example: qwen-all-in-one classify 今天真开心
            """
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "Role whose labels to give.") var role = "sentiment"
    @Flag(help: "Print JSON lines.") var json = false
    @Argument(help: "Texts to label.") var texts: [String] = []

    func run() throws {
        let engine = try engine.startEngine()
        defer { engine.scheduler.stop() }
        _ = try engine.labels(ofRole: role)  // before any text is read
        try engine.pinPrefixes()
        if !texts.isEmpty { return try show(texts, engine) }
        // As many lines at once as the batch takes: memory does not grow with the input.
        var batch: [String] = []
        while let line = readLine() {
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            batch.append(line)
            if batch.count == self.engine.maxSequences {
                try show(batch, engine)
                batch.removeAll(keepingCapacity: true)
            }
        }
        try show(batch, engine)
    }

    private func show(_ texts: [String], _ engine: RoleEngine) throws {
        for (text, verdict) in zip(texts, try engine.classify(texts, role: role)) {
            if json {
                print(verdict.jsonLine(text: text))
            } else {
                let percent = (verdict.probability * 1000).rounded() / 10
                print("\(verdict.label)\t\(percent)%\t\(text)")
            }
        }
    }
}
