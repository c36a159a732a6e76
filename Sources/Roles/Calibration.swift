import Glibc
import ModelFiles

/// Brings a label role's probabilities in line with how often they are right: over the labels, a softmax of
/// `log p / temperature + bias` (temperature scaling with a bias for each label; Guo et al. 2017).
package struct Calibration: Sendable, Equatable {
    /// Above 0.
    package let temperature: Double
    /// In the labels' order.
    package let bias: [Double]

    package static let temperatures = 0.05...20.0
    package static let biases = -50.0...50.0

    package init(temperature: Double, bias: [Double]) {
        self.temperature = temperature
        self.bias = bias
    }

    /// - Parameter logProbabilities: natural logarithms, in the labels' order; as many as `bias` has.
    package func probabilities(_ logProbabilities: [Double]) -> [Double] {
        Self.softmax(zip(logProbabilities, bias).map { $0 / temperature + $1 })
    }

    static func softmax(_ values: [Double]) -> [Double] {
        let largest = values.max() ?? 0
        let weights = values.map { exp($0 - largest) }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }
}

/// A calibration with what it was made for: it holds for one model, and for a role as it was then.
package struct StoredCalibration: Sendable, Equatable {
    package let calibration: Calibration
    /// `ModelFile.identity`
    package let model: String
    /// `Role.promptDigest`
    package let prompt: String

    package init(_ calibration: Calibration, model: String, role: Role) {
        self.init(calibration, model: model, prompt: role.promptDigest)
    }

    init(_ calibration: Calibration, model: String, prompt: String) {
        self.calibration = calibration
        self.model = model
        self.prompt = prompt
    }
}

extension Role {
    /// Changes with whatever a calibration depends on: system prompt, labels and how texts are cut.
    package var promptDigest: String {
        var digest = Digest()
        for text in [system] + (labels ?? []) + ["\(input.maxCharacters) \(input.overflow)"] {
            digest.add(text.utf8)
            digest.add([0])
        }
        return digest.text
    }

    /// The calibration that was made for this model and this role; nil if there is none, or it was made for others.
    package func calibration(for model: String) -> Calibration? {
        guard let stored = calibration, stored.model == model, stored.prompt == promptDigest else { return nil }
        return stored.calibration
    }

    /// Why a calibration that is there does not hold; nil if it does, or if there is none.
    package func calibrationFault(for model: String) -> String? {
        guard let stored = calibration else { return nil }
        if stored.model != model { return "made for another model; run calibrate again" }
        if stored.prompt != promptDigest { return "made for other labels or another prompt; run calibrate again" }
        return nil
    }
}
