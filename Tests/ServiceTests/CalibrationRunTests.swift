import Glibc
import Roles
import Testing

@testable import Service

@Suite struct CalibrationRunTests {
    /// Verdicts that are far too sure: right three times out of four, at 99.9 %.
    private func overconfident(_ count: Int) -> [(text: String, verdict: LabelledVerdict)] {
        (0..<count).map { index in
            let best = index % 2
            let logs = best == 0 ? [log(0.999), log(0.001)] : [log(0.001), log(0.999)]
            return ("text \(index)", LabelledVerdict(logProbabilities: logs, expected: index % 8 < 6 ? best : 1 - best))
        }
    }

    @Test func measuresOnTextsThatTheFitHasNotSeen() throws {
        let verdicts = overconfident(400)
        let run = try CalibrationRun(verdicts, labels: ["a", "b"])
        #expect(run.fitted + run.measured == 400 && run.fitted > 150 && run.measured > 150)
        #expect(run.fitted == verdicts.count { CalibrationRun.isForFit($0.text) })
        #expect(run.calibration.temperature > 3)
        #expect(run.before.calibrationError > 0.2 && run.after.calibrationError < 0.1)
        #expect(run.after.logLoss < run.before.logLoss)
        #expect(abs(run.before.accuracy - run.after.accuracy) < 1e-12)
        let json = try JSONParser.parse(Array(run.jsonLine(file: nil).utf8))
        #expect(json["fitted"] == .integer(run.fitted) && json["file"] == .null)
    }

    /// Two texts in one bin at 0.9, one right: |1.8 - 1| / 3; one at 0.6, right: 0.4 / 3.
    @Test func theCalibrationErrorByHand() {
        let none = Calibration(temperature: 1, bias: [0, 0])
        let quality = CalibrationRun.quality(
            [
                LabelledVerdict(logProbabilities: [log(0.9), log(0.1)], expected: 0),
                LabelledVerdict(logProbabilities: [log(0.9), log(0.1)], expected: 1),
                LabelledVerdict(logProbabilities: [log(0.4), log(0.6)], expected: 1),
            ],
            none
        )
        #expect(abs(quality.calibrationError - 0.4) < 1e-12)
        #expect(abs(quality.accuracy - 2.0 / 3) < 1e-12)
        #expect(abs(quality.logLoss + (log(0.9) + log(0.1) + log(0.6)) / 3) < 1e-12)
    }

    @Test func wantsEnoughTexts() {
        #expect(throws: ServiceError.self) { try CalibrationRun(overconfident(30), labels: ["a", "b"]) }
        #expect(throws: ServiceError.self) { try CalibrationRun(overconfident(400), labels: ["a", "b", "c"]) }
    }

    @Test func verdictsComeThroughTheCalibrationOfTheirModel() throws {
        let test = try TestEngine()
        let plain = try test.engine.classify(["好"], role: "sentiment")[0]
        let calibration = Calibration(temperature: 2, bias: [3, -3])
        let stored = try test.engine.stored(calibration, role: "sentiment")
        let folder = "/tmp/calibration-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(folder, 0o700)
        let files = [
            ("sentiment.yaml", try #require(readText("\(packageRoot)/roles/sentiment.yaml"))),
            ("sentiment.calibration.yaml", stored.text),
        ]
        defer {
            for (name, _) in files { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
        for (name, text) in files {
            let file = fopen("\(folder)/\(name)", "w")
            fputs(text, file)
            fclose(file)
        }
        #expect(stored.path == "\(packageRoot)/roles/sentiment.calibration.yaml")
        try test.engine.replaceRoles(try RoleOffer(directory: folder, trained: nil))
        let verdict = try test.engine.classify(["好"], role: "sentiment")[0]
        #expect(verdict.logProbabilities == plain.logProbabilities)
        let expected = calibration.probabilities(plain.logProbabilities)
        #expect(verdict.probabilities.map(\.probability) == expected)
        #expect(verdict.label == (expected[0] >= expected[1] ? "正面" : "负面"))
        #expect(abs(verdict.margin - abs(expected[0] - expected[1])) < 1e-12)

        // Another model: the same roles, but the file is not its own.
        let other = stored.text.split(separator: test.engine.modelIdentity).joined(separator: "0000000000000000")
        let file = fopen("\(folder)/sentiment.calibration.yaml", "w")
        fputs(other, file)
        fclose(file)
        try test.engine.replaceRoles(try RoleOffer(directory: folder, trained: nil))
        #expect(
            try test.engine.classify(["好"], role: "sentiment")[0].probabilities.map(\.probability)
                == plain.probabilities.map(\.probability)
        )
    }

    private func readText(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
