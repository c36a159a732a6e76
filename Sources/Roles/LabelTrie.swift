import ModelFiles

/// The labels' token ids as a trie, reduced to its branching nodes: only there is anything to decide.
///
/// A label that is the start of another ends with `<|im_end|>` as its branch, so that every label ends on a leaf and
/// the leaves' probabilities sum to 1.
struct LabelTrie: Sendable, Equatable {
    struct Branching: Sendable, Equatable {
        /// Token ids from the root to this node.
        var path: [TokenID]
        /// The ids that may follow, in the order of the first label that takes each.
        var tokens: [TokenID]
        /// `labels[i]`: indices of the labels below `tokens[i]`.
        var labels: [[Int]]
    }

    /// Depth first, so that a node's path shares as much as possible with the one before; never empty.
    private(set) var nodes: [Branching] = []
    let labelCount: Int

    /// Nil unless there are at least two labels, all different and none empty or with `end` in it.
    init?(labels: [[TokenID]], end: TokenID) {
        guard labels.count > 1, Set(labels).count == labels.count,
            labels.allSatisfy({ !$0.isEmpty && !$0.contains(end) })
        else { return nil }
        labelCount = labels.count
        // Closing every label with the end token makes none a prefix of another; where it is no branch it costs nothing.
        visit(labels.map { $0 + [end] }, below: Array(labels.indices), depth: 0)
    }

    /// - Parameter below: labels that share their first `depth` tokens.
    private mutating func visit(_ labels: [[TokenID]], below: [Int], depth: Int) {
        guard below.count > 1 else { return }
        var tokens: [TokenID] = []
        var groups: [[Int]] = []
        for label in below {
            if let known = tokens.firstIndex(of: labels[label][depth]) {
                groups[known].append(label)
            } else {
                tokens.append(labels[label][depth])
                groups.append([label])
            }
        }
        if tokens.count > 1 {
            nodes.append(Branching(path: Array(labels[below[0]][..<depth]), tokens: tokens, labels: groups))
        }
        for group in groups { visit(labels, below: group, depth: depth + 1) }
    }
}
