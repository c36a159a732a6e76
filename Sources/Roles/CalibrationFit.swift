import Glibc

/// One judged text with its right label.
package struct LabelledVerdict: Sendable {
    /// Natural logarithms, in the labels' order, before any calibration.
    package let logProbabilities: [Double]
    /// Index of the right label.
    package let expected: Int

    package init(logProbabilities: [Double], expected: Int) {
        self.logProbabilities = logProbabilities
        self.expected = expected
    }
}

/// Finds the calibration under which a set of verdicts is most likely: Newton's method on the log-loss, which is convex in
/// 1/temperature and biases. A weak prior (as much as one example) for no change keeps both finite where every verdict is right.
package struct CalibrationFit {
    private static let prior = 1.0
    private static let maxSteps = 50

    /// 1/temperature, then the labels' biases.
    private var parameters: [Double]
    private let verdicts: [(values: [Double], expected: Int)]

    /// - Parameter verdicts: at least one, all of the same labels.
    package static func fit(_ verdicts: [LabelledVerdict]) -> Calibration {
        var fit = CalibrationFit(verdicts)
        for _ in 0..<maxSteps {
            if fit.step() < 1e-9 * Double(verdicts.count) { break }
        }
        let mean = fit.parameters.dropFirst().reduce(0, +) / Double(fit.parameters.count - 1)
        return Calibration(
            temperature: min(
                max(1 / fit.parameters[0], Calibration.temperatures.lowerBound),
                Calibration.temperatures.upperBound
            ),
            bias: fit.parameters.dropFirst().map { $0 - mean }
        )
    }

    private init(_ verdicts: [LabelledVerdict]) {
        // Beyond e^-50 a probability tells nothing more.
        self.verdicts = verdicts.map { ($0.logProbabilities.map { max($0, -50) }, $0.expected) }
        parameters = [1] + [Double](repeating: 0, count: verdicts.first?.logProbabilities.count ?? 0)
    }

    private func loss(_ parameters: [Double]) -> Double {
        var loss = 0.0
        for (values, expected) in verdicts {
            let scores = zip(values, parameters.dropFirst()).map { $0 * parameters[0] + $1 }
            let largest = scores.max() ?? 0
            loss += largest + log(scores.reduce(0) { $0 + exp($1 - largest) }) - scores[expected]
        }
        let distance = (parameters[0] - 1) * (parameters[0] - 1) + parameters.dropFirst().reduce(0) { $0 + $1 * $1 }
        return loss + Self.prior / 2 * distance
    }

    /// One damped step; returns how much the loss fell.
    private mutating func step() -> Double {
        let size = parameters.count
        var gradient = parameters.map { $0 * Self.prior }
        gradient[0] -= Self.prior
        var hessian = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
        for index in 0..<size { hessian[index][index] = Self.prior }
        for (values, expected) in verdicts {
            let p = Calibration.softmax(zip(values, parameters.dropFirst()).map { $0 * parameters[0] + $1 })
            let mean = zip(p, values).reduce(0) { $0 + $1.0 * $1.1 }
            gradient[0] += mean - values[expected]
            hessian[0][0] += zip(p, values).reduce(0) { $0 + $1.0 * ($1.1 - mean) * ($1.1 - mean) }
            for row in p.indices {
                gradient[row + 1] += p[row] - (row == expected ? 1 : 0)
                let mixed = p[row] * (values[row] - mean)
                hessian[0][row + 1] += mixed
                hessian[row + 1][0] += mixed
                hessian[row + 1][row + 1] += p[row]
                for column in p.indices { hessian[row + 1][column + 1] -= p[row] * p[column] }
            }
        }
        let direction = Self.solve(hessian, gradient)
        let before = loss(parameters)
        var scale = 1.0
        while scale > 1e-6 {
            let next = zip(parameters, direction).map { $0 - scale * $1 }
            let fall = before - loss(next)
            if next[0] >= 1 / Calibration.temperatures.upperBound, fall >= 0 {
                parameters = next
                return fall
            }
            scale /= 2
        }
        return 0
    }

    /// Gaussian elimination; the matrix is symmetric and positive definite, so no pivoting is needed.
    private static func solve(_ matrix: [[Double]], _ right: [Double]) -> [Double] {
        var (matrix, right) = (matrix, right)
        for pivot in right.indices {
            for row in (pivot + 1)..<max(right.count, pivot + 1) {
                let factor = matrix[row][pivot] / matrix[pivot][pivot]
                for column in pivot..<right.count { matrix[row][column] -= factor * matrix[pivot][column] }
                right[row] -= factor * right[pivot]
            }
        }
        for row in right.indices.reversed() {
            for column in (row + 1)..<max(right.count, row + 1) { right[row] -= matrix[row][column] * right[column] }
            right[row] /= matrix[row][row]
        }
        return right
    }
}
