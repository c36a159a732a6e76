import ModelFiles

/// Byte pair encoding of one piece after another; holds the scratch space, so one per call of `encode`.
///
/// Always merges the pair of lowest rank, the leftmost among equals, as Hugging Face `tokenizers` does (also when the whole
/// piece is a token: the merges decide).
struct BytePairEncoder {
    private let merges: MergeTable
    /// (256): the token of each byte.
    private let byteTokens: [TokenID]
    /// Pieces up to this length are scanned, longer ones use the queue; both give the same tokens.
    private let scanLimit: Int

    private var symbols: [TokenID] = []
    /// ranks[i]: rank of merging symbols[i] with the one after it.
    private var ranks: [UInt32] = []
    private var nodes: [Node] = []
    private var queue = MergeQueue()

    /// A token in the linked list of a long piece; together, so that a merge touches few cache lines.
    private struct Node {
        var symbol: TokenID
        /// Of merging it with the next one.
        var rank: UInt32
        var previous: Int
        var next: Int
    }

    init(merges: MergeTable, byteTokens: [TokenID], scanLimit: Int = 64) {
        self.merges = merges
        self.byteTokens = byteTokens
        self.scanLimit = scanLimit
    }

    /// Appends the tokens of text[range]. O(n log n) in the piece's length, at most 60 bytes of scratch a byte.
    mutating func encode(_ text: borrowing Span<UInt8>, _ range: Range<Int>, into output: inout [TokenID]) {
        if range.count == 1 {
            output.append(byteTokens[Int(text[range.lowerBound])])
            return
        }
        symbols.removeAll(keepingCapacity: true)
        for position in range { symbols.append(byteTokens[Int(text[position])]) }
        ranks.removeAll(keepingCapacity: true)
        for i in 0..<symbols.count - 1 { ranks.append(merges.rank(symbols[i], symbols[i + 1])) }
        ranks.append(MergeTable.noRank)
        if range.count <= scanLimit { mergeByScanning(into: &output) } else { mergeByQueue(into: &output) }
    }

    /// Finds the lowest rank by looking at all of them, and closes the gap after each merge.
    private mutating func mergeByScanning(into output: inout [TokenID]) {
        var count = symbols.count
        while count > 1 {
            var best = 0
            for i in 1..<count where ranks[i] < ranks[best] { best = i }
            let rank = ranks[best]
            if rank == MergeTable.noRank { break }
            symbols[best] = merges.merged(rank)
            count -= 1
            for i in best + 1..<max(count, best + 1) {
                symbols[i] = symbols[i + 1]
                ranks[i] = ranks[i + 1]
            }
            ranks[best] =
                best + 1 < count ? merges.rank(symbols[best], symbols[best + 1]) : MergeTable.noRank
            if best > 0 { ranks[best - 1] = merges.rank(symbols[best - 1], symbols[best]) }
        }
        output += symbols[..<count]
    }

    /// Takes the lowest rank from a queue and joins neighbours in a linked list. Queue entries are rank << 40 | position;
    /// one whose rank is no longer that of its position is stale.
    private mutating func mergeByQueue(into output: inout [TokenID]) {
        let count = symbols.count
        nodes.removeAll(keepingCapacity: true)
        for i in 0..<count { nodes.append(Node(symbol: symbols[i], rank: ranks[i], previous: i - 1, next: i + 1)) }
        queue.assign((0..<count).compactMap { Self.entry(ranks[$0], $0) })
        while let entry = queue.popMin() {
            let position = Int(entry & 0xFF_FFFF_FFFF)
            guard nodes[position].rank == UInt32(entry >> 40) else { continue }
            merge(at: position)
        }
        var position = 0
        while position < count {
            output.append(nodes[position].symbol)
            position = nodes[position].next
        }
    }

    /// Joins the token at `position` with the next one.
    private mutating func merge(at position: Int) {
        let absorbed = nodes[position].next
        let following = nodes[absorbed].next
        nodes[absorbed].rank = MergeTable.noRank
        nodes[position].symbol = merges.merged(nodes[position].rank)
        nodes[position].next = following
        if following < nodes.count { nodes[following].previous = position }
        updateRank(at: position)
        if nodes[position].previous >= 0 { updateRank(at: nodes[position].previous) }
    }

    private mutating func updateRank(at position: Int) {
        let next = nodes[position].next
        let rank =
            next < nodes.count ? merges.rank(nodes[position].symbol, nodes[next].symbol) : MergeTable.noRank
        nodes[position].rank = rank
        if let entry = Self.entry(rank, position) { queue.push(entry) }
    }

    private static func entry(_ rank: UInt32, _ position: Int) -> UInt64? {
        rank == MergeTable.noRank ? nil : UInt64(rank) << 40 | UInt64(position)
    }
}
