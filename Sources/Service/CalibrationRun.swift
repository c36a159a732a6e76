import Glibc
import ModelFiles
package import Roles

/// Fits a calibration on one half of the examples and measures it on the other.
package struct CalibrationRun: Sendable {
    /// How good a role's probabilities are on the texts that the fit has not seen.
    package struct Quality: Sendable, Equatable {
        package let accuracy: Double
        /// Expected calibration error: over 15 equal bins of the best label's probability, the mean distance between it
        /// and the share of right labels, weighted by the bins' texts.
        package let calibrationError: Double
        /// Mean of -ln p of the right label.
        package let logLoss: Double
    }

    package static let leastTexts = 20

    package let calibration: Calibration
    package let fitted: Int
    package let measured: Int
    package let before: Quality
    package let after: Quality

    /// A text is in one half or the other by its own bytes, so that a text that is there twice is in one only.
    package static func isForFit(_ text: String) -> Bool {
        var digest = Digest()
        digest.add(text.utf8)
        return digest.value >> 40 & 1 == 0
    }

    /// - Parameter labels: how many the role has.
    package init(_ verdicts: [(text: String, verdict: LabelledVerdict)], labels: [String]) throws(ServiceError) {
        let fit = verdicts.filter { Self.isForFit($0.text) }.map(\.verdict)
        let rest = verdicts.filter { !Self.isForFit($0.text) }.map(\.verdict)
        for (half, name) in [(fit, "fit"), (rest, "measure")] where half.count < Self.leastTexts {
            throw ServiceError(
                "\(verdicts.count) texts are too few (\(half.count) of them to \(name) by): give more, "
                    + "at least \(4 * Self.leastTexts)"
            )
        }
        for (index, label) in labels.enumerated() where !fit.contains(where: { $0.expected == index }) {
            throw ServiceError("no text with the label '\(label)' to fit by; give more of them")
        }
        calibration = CalibrationFit.fit(fit)
        (fitted, measured) = (fit.count, rest.count)
        let none = Calibration(temperature: 1, bias: [Double](repeating: 0, count: labels.count))
        before = Self.quality(rest, none)
        after = Self.quality(rest, calibration)
    }

    static func quality(_ verdicts: [LabelledVerdict], _ calibration: Calibration) -> Quality {
        var bins = [(count: Double, confidence: Double, right: Double)](repeating: (0, 0, 0), count: 15)
        var (right, loss) = (0.0, 0.0)
        for verdict in verdicts {
            let p = calibration.probabilities(verdict.logProbabilities)
            let best = p.indices.reduce(0) { p[$1] > p[$0] ? $1 : $0 }
            let isRight = best == verdict.expected ? 1.0 : 0
            let bin = min(14, Int(p[best] * 15))
            bins[bin].count += 1
            bins[bin].confidence += p[best]
            bins[bin].right += isRight
            right += isRight
            loss -= log(max(p[verdict.expected], 1e-300))
        }
        let count = Double(verdicts.count)
        return Quality(
            accuracy: right / count,
            calibrationError: bins.reduce(0) { $0 + abs($1.confidence - $1.right) } / count,
            logLoss: loss / count
        )
    }

    package func table(labels: [String]) -> String {
        func percent(_ value: Double) -> String { "\((value * 100).rounded(decimals: 2))%" }
        let bias = zip(labels, calibration.bias).map { "\($0) \($1.rounded(decimals: 3))" }.joined(separator: ", ")
        return """
            fitted on \(fitted) texts: temperature \(calibration.temperature.rounded(decimals: 3)), bias \(bias)
            measured on \(measured) others: accuracy \(percent(before.accuracy)) before, \(percent(after.accuracy)) after; \
            expected calibration error \(before.calibrationError.rounded(decimals: 4)) before, \
            \(after.calibrationError.rounded(decimals: 4)) after; \
            log-loss \(before.logLoss.rounded(decimals: 4)) before, \(after.logLoss.rounded(decimals: 4)) after
            """
    }

    package func jsonLine(file: String?) -> String {
        func json(_ quality: Quality) -> JSONValue {
            [
                "accuracy": .number(quality.accuracy), "ece": .number(quality.calibrationError),
                "log_loss": .number(quality.logLoss),
            ]
        }
        let line: JSONValue = [
            "temperature": .number(calibration.temperature), "bias": .array(calibration.bias.map { .number($0) }),
            "fitted": .integer(fitted), "measured": .integer(measured), "before": json(before), "after": json(after),
            "file": file.map { .string($0) } ?? .null,
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }
}

extension RoleEngine {
    /// Verdicts before any calibration, with their right labels, in the texts' order.
    package func uncalibrated(
        _ examples: LabelledExamples,
        role name: String
    ) throws(ServiceError) -> [(text: String, verdict: LabelledVerdict)] {
        let verdicts = try classify(examples.texts, role: name)
        return zip(zip(examples.texts, examples.expected), verdicts).map { example, verdict in
            (example.0, LabelledVerdict(logProbabilities: verdict.logProbabilities, expected: example.1))
        }
    }

    /// What to store of a calibration that was made with this model.
    package func stored(_ calibration: Calibration, role name: String) throws(ServiceError) -> (
        path: String, text: String
    ) {
        let role: Role
        do { role = try book.role(name) } catch { throw ServiceError(error.description) }
        let stored = StoredCalibration(calibration, model: modelIdentity, role: role)
        return (CalibrationFile.path(of: name, in: offer.directory), CalibrationFile.text(stored, role: role))
    }
}
