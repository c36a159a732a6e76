import Glibc
package import Inference
package import ModelFiles

/// Scores every label of a role exactly: the argmax over whole labels, not a greedy descent.
///
/// At each branching node of the labels' trie a softmax over the ids that may follow there and nothing else; a label's
/// probability is the product along its path. Nodes with a single child have probability 1 and are run, but not
/// evaluated. Several branching nodes are visited one after the other by rewinding the sequence.
package struct LabelScorer: TokenConstraint {
    private let trie: LabelTrie
    /// The branching node that waits for logits; nil while the root has a single child and was not passed yet.
    private var node: Int?
    /// Natural logarithms, so that no product underflows before labels are compared.
    package private(set) var logProbabilities: [Double]
    private var isFinished = false
    /// False once a logit was not finite: the result then means nothing, and the fault is the model's.
    package private(set) var isValid = true

    /// - Parameters:
    ///   - labels: token ids of each label, none empty, all different.
    ///   - end: the id of `<|im_end|>`.
    ///   - source: names the role in an error.
    package init(labels: [[TokenID]], end: TokenID, source: String) throws(RoleError) {
        guard let trie = LabelTrie(labels: labels, end: end) else {
            let message = "needs at least two labels with different tokens and no control token in them"
            throw RoleError(source: source, line: nil, message: message)
        }
        self.trie = trie
        node = trie.nodes[0].path.isEmpty ? 0 : nil
        logProbabilities = [Double](repeating: 0, count: trie.labelCount)
    }

    /// Most tokens that it ever has after the prompt.
    package var maxNewTokens: Int { trie.nodes.reduce(0) { max($0, $1.path.count) } }

    /// Ids at the present node; where the root has a single child, that child, whose logit is of no account.
    package var allowedTokens: [TokenID] {
        guard let node else { return [trie.nodes[0].path[0]] }
        return trie.nodes[node].tokens
    }

    package mutating func advance(logits: UnsafeBufferPointer<Float>) -> ConstraintStep {
        guard !isFinished else { return .finished }
        guard let node else {
            self.node = 0
            return .feed(keeping: 0, tokens: trie.nodes[0].path)
        }
        apply(logits, at: trie.nodes[node])
        guard node + 1 < trie.nodes.count, isValid else {
            isFinished = true
            return .finished
        }
        self.node = node + 1
        let next = trie.nodes[node + 1].path
        let keeping = zip(trie.nodes[node].path, next).prefix { $0 == $1 }.count
        return .feed(keeping: keeping, tokens: Array(next[keeping...]))
    }

    /// Log-softmax in double precision, with the largest logit taken off first.
    private mutating func apply(_ logits: UnsafeBufferPointer<Float>, at node: LabelTrie.Branching) {
        guard logits.count == node.tokens.count, let largest = logits.max(), logits.allSatisfy(\.isFinite) else {
            isValid = false
            return
        }
        let shifted = logits.map { Double($0) - Double(largest) }
        let logSum = log(shifted.reduce(0) { $0 + exp($1) })
        for (value, labels) in zip(shifted, node.labels) {
            for label in labels { logProbabilities[label] += value - logSum }
        }
    }

    /// `(labels)`, in the role's order; sums to 1 when finished and valid.
    package var probabilities: [Double] { logProbabilities.map { exp($0) } }

    /// Index of the most probable label; of equals the lowest.
    package var best: Int {
        logProbabilities.indices.reduce(0) { logProbabilities[$1] > logProbabilities[$0] ? $1 : $0 }
    }

    /// How far the best label's probability is above the second's.
    package var margin: Double {
        let sorted = probabilities.sorted(by: >)
        return sorted[0] - sorted[1]
    }
}
