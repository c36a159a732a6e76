import Inference
import ModelFiles

@testable import Scheduling

/// Scores every path of a tree of fixed token lists, as a label scorer does: visits each branch, rewinding in between.
struct PathConstraint: TokenConstraint {
    /// Token lists to walk, each from the prompt's end.
    let paths: [[TokenID]]
    /// Asked at each node: logits of these.
    let allowedTokens: [TokenID]
    private(set) var seen: [[Float]] = []
    private var current: [TokenID] = []
    private var next = 0

    init(paths: [[TokenID]], allowedTokens: [TokenID]) {
        self.paths = paths
        self.allowedTokens = allowedTokens
    }

    mutating func advance(logits: UnsafeBufferPointer<Float>) -> ConstraintStep {
        seen.append(Array(logits))
        guard next < paths.count else { return .finished }
        let path = paths[next]
        next += 1
        let kept = zip(current, path).prefix { $0 == $1 }.count
        current = path
        return .feed(keeping: kept, tokens: Array(path[kept...]))
    }

    /// The logits that a model without cache gives at the prompt's end and each path's end.
    func expected(after prompt: [TokenID], logit: ([TokenID], TokenID) -> Float) -> [[Float]] {
        ([[]] + paths).map { path in allowedTokens.map { logit(prompt + path, $0) } }
    }
}

/// Answers with a fixed step, once; then it is finished.
struct FixedConstraint: TokenConstraint {
    var allowedTokens: [TokenID] = [1, 2]
    var step: ConstraintStep
    private var isDone = false

    init(allowedTokens: [TokenID] = [1, 2], step: ConstraintStep = .finished) {
        self.allowedTokens = allowedTokens
        self.step = step
    }

    mutating func advance(logits: UnsafeBufferPointer<Float>) -> ConstraintStep {
        defer { isDone = true }
        return isDone ? .finished : step
    }
}

func label(_ prompt: [TokenID]) -> GenerationRequest {
    GenerationRequest(prompt: prompt, maxNewTokens: 0, constraint: FixedConstraint())
}
