import ArgumentParser
import FoundationEssentials
import Scheduling
import Service

struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a label role's probabilities in line with how often they are right.",
        discussion: """
            Takes examples as evaluate does. Fits a temperature and a bias for each label on one half of them, measures \
            accuracy and calibration error on the other, and writes ROLE.calibration.yaml beside the role's file; the \
            service takes it at the next start or SIGHUP, with this model only. Delete the file to undo it.

            Example: qwen-all-in-one calibrate --role sentiment dev.tsv
            """
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "Role to calibrate.") var role = "sentiment"
    @Flag(help: "Measure, but write no file.") var dryRun = false
    @Flag(help: "Print one JSON object.") var json = false
    @Argument(help: "TSV file.") var file: String

    func run() throws {
        let engine = try engine.startEngine()
        defer { engine.scheduler.stop() }
        let labels = try engine.labels(ofRole: role)
        let examples = try LabelledExamples(path: file, labels: labels, limit: .max)
        try engine.pinPrefixes()
        let run = try CalibrationRun(try engine.uncalibrated(examples, role: role), labels: labels)
        let (path, text) = try engine.stored(run.calibration, role: role)
        let isBetter = run.after.logLoss <= run.before.logLoss
        if isBetter, !dryRun {
            do {
                try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
            } catch {
                throw ServiceError("cannot write \(path); check that the folder of roles is writable")
            }
        }
        print(json ? run.jsonLine(file: isBetter && !dryRun ? path : nil) : run.table(labels: labels))
        guard isBetter else {
            throw ServiceError("not written: on the measured half the probabilities were no better than before")
        }
        if !dryRun, !json { print("written to \(path)") }
    }
}
