import Glibc
import Testing

@testable import Roles

@Suite struct CalibrationTests {
    /// Verdicts whose true probabilities are `softmax(log p / temperature + bias)`.
    private func verdicts(_ count: Int, labels: Int, temperature: Double, bias: [Double]) -> [LabelledVerdict] {
        var random = SeededGenerator(state: 3)
        return (0..<count).map { _ in
            let scores = (0..<labels).map { _ in Double.random(in: -4...4, using: &random) }
            let logs = Calibration.softmax(scores).map { log($0) }
            let truth = Calibration(temperature: temperature, bias: bias).probabilities(logs)
            var draw = Double.random(in: 0..<1, using: &random)
            let expected = truth.firstIndex { p in
                draw -= p
                return draw < 0
            }
            return LabelledVerdict(logProbabilities: logs, expected: expected ?? labels - 1)
        }
    }

    @Test(arguments: [(2, 2.5, [0.5, -0.5]), (4, 0.6, [0.3, -0.3, 0.8, -0.8]), (3, 1.0, [0.0, 0, 0])])
    func findsWhatTheVerdictsWereDrawnBy(labels: Int, temperature: Double, bias: [Double]) {
        let fit = CalibrationFit.fit(verdicts(2_000, labels: labels, temperature: temperature, bias: bias))
        #expect(abs(fit.temperature / temperature - 1) < 0.15)
        for (found, wanted) in zip(fit.bias, bias) { #expect(abs(found - wanted) < 0.3) }
    }

    @Test func staysFiniteWhereEveryVerdictIsRight() {
        let right = (0..<50).map { index in
            LabelledVerdict(logProbabilities: index % 2 == 0 ? [-1e-9, -40] : [-300, 0], expected: index % 2)
        }
        let fit = CalibrationFit.fit(right)
        #expect(Calibration.temperatures.contains(fit.temperature))
        #expect(fit.bias.allSatisfy { abs($0) < 10 })
        #expect(fit.probabilities([-1e-9, -40])[0] > 0.5)
    }

    @Test func sixtyFourLabels() {
        let fit = CalibrationFit.fit(verdicts(100, labels: 64, temperature: 2, bias: [Double](repeating: 0, count: 64)))
        #expect(fit.bias.count == 64 && abs(fit.bias.reduce(0, +)) < 1e-9)
        #expect(abs(fit.probabilities([Double](repeating: -4, count: 64)).reduce(0, +) - 1) < 1e-12)
    }

    private static let role = """
        name: mood
        system: Judge.
        input: { max_characters: 9, overflow: reject }
        output: { labels: [good, bad] }
        """

    private func calibrated(_ calibration: String, role: String = Self.role, _ body: (RoleSet) throws -> Void) throws {
        try withRoleFiles([
            ("mood.yaml", Array(role.utf8)), ("mood.calibration.yaml", Array(calibration.utf8)),
        ]) { try body(try RoleSet(directory: $0)) }
    }

    @Test func isReadAsItWasWrittenAndHoldsForItsModelAndRoleOnly() throws {
        let role = try RoleFile.parse(file: "mood.yaml", name: "mood", text: Self.role).role
        let calibration = Calibration(temperature: 1.25, bias: [0.125, -0.125])
        let text = CalibrationFile.text(StoredCalibration(calibration, model: "00ab", role: role), role: role)
        try calibrated(text) { set in
            #expect(set.names == ["mood"])
            #expect(set["mood"]?.calibration(for: "00ab") == calibration)
            #expect(set["mood"]?.calibrationFault(for: "00ab") == nil)
            #expect(set["mood"]?.calibration(for: "other") == nil)
            #expect(set["mood"]?.calibrationFault(for: "other")?.contains("another model") == true)
        }
        for change in [
            ("Judge.", "Judge!"), ("[good, bad]", "[bad, good]"), ("[good, bad]", "[good, bad, so]"), ("9", "8"),
        ] {
            let other = Self.role.split(separator: change.0, maxSplits: 1).joined(separator: change.1)
            try calibrated(text, role: other) { set in
                #expect(set["mood"]?.calibration(for: "00ab") == nil)
                #expect(set["mood"]?.calibrationFault(for: "00ab")?.contains("another prompt") == true)
            }
        }
    }

    @Test(arguments: [
        (
            "temperature: 1.5", "temperature: 0",
            "mood.calibration.yaml:4: 'temperature' must be a number from 0.05 to 20.0"
        ),
        ("bias: [0, 0]", "bias: [0, x]", ":5: 'bias' must be a list of numbers from -50.0 to 50.0"),
        ("bias: [0, 0]", "bias: 0", ":5: 'bias' must be a list of numbers"),
        ("bias: [0, 0]", "bias: [0]", ":5: 'bias' must be 2 numbers, one for each label; there are 1"),
        ("role: mood", "role: other", ":1: 'role' must be 'mood', as the file is named"),
        ("bias: [0, 0]", "scale: 1", ":5: unknown key 'scale'"),
    ])
    func namesWhatIsWrong(_ change: (from: String, to: String, error: String)) throws {
        let digest = try RoleFile.parse(file: "mood.yaml", name: "mood", text: Self.role).role.promptDigest
        let good = "role: mood\nmodel: \"1\"\nprompt: \"\(digest)\"\ntemperature: 1.5\nbias: [0, 0]\n"
        let text = good.split(separator: change.from, omittingEmptySubsequences: false).joined(separator: change.to)
        let error = #expect(throws: RoleError.self) { try calibrated(text) { _ in } }
        #expect(error?.description.contains(change.error) == true, "\(error?.description ?? "")")
    }
}
