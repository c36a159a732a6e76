import ModelFiles

/// Byte pair encoding of one piece after another; holds the scratch space, so one per call of `encode`.
///
/// Always merges the pair of lowest rank, the leftmost among equals, as Hugging Face `tokenizers` does (also when the whole
/// piece is a token: the merges decide).
struct BytePairEncoder {
    /// Pieces that begin as up to so many tokens are scanned, longer ones use the queue; both give the same tokens.
    static let scanLimit = 64

    private let merges: MergeTable
    private let initial: InitialTokens
    private let scanLimit: Int

    private var symbols = InlineArray<64, TokenID>(repeating: 0)
    /// joins[i]: the merge of symbols[i] with the one after it.
    private var joins = InlineArray<64, MergeTable.Merge>(repeating: .none)
    private var nodes: [Node] = []
    private var queue = MergeQueue()

    /// A token in the linked list of a long piece; together, so that a merge touches few cache lines.
    private struct Node {
        var symbol: TokenID
        /// With the next one.
        var merge: MergeTable.Merge
        var previous: Int
        var next: Int
    }

    init(merges: MergeTable, initial: InitialTokens, scanLimit: Int = Self.scanLimit) {
        self.merges = merges
        self.initial = initial
        self.scanLimit = min(scanLimit, Self.scanLimit)
    }

    /// Appends the tokens of text[piece], which is well-formed UTF-8. O(n log n) in the piece's length, at most 60 bytes of
    /// scratch a byte.
    mutating func encode(_ text: borrowing Span<UInt8>, _ piece: Range<Int>, into output: inout [TokenID]) {
        var position = piece.lowerBound
        var count = 0
        while position < piece.upperBound {
            guard count < scanLimit else { return encodeByQueue(text, piece, into: &output) }
            symbols[count] = next(text, &position, piece)
            count += 1
        }
        if count == 1 { return output.append(symbols[0]) }
        for i in 0..<count - 1 { joins[i] = merges.merge(symbols[i], symbols[i + 1]) }
        mergeByScanning(count, into: &output)
    }

    /// The token to begin with at `position`, which moves past it.
    @inline(__always)
    private func next(_ text: borrowing Span<UInt8>, _ position: inout Int, _ piece: Range<Int>) -> TokenID {
        let byte = text[position]
        if byte >= 0xC0 {
            let step = UTF8Decoding.step(text, at: position)
            let end = position + step.length
            if let token = initial.character(step.scalar, in: text, position..<end, piece: piece) {
                position = end
                return token
            }
        }
        position += 1
        return initial.bytes[Int(byte)]
    }

    /// Finds the lowest rank by looking at all of them, and closes the gap after each merge.
    private mutating func mergeByScanning(_ start: Int, into output: inout [TokenID]) {
        var last = start - 1
        while last > 0 {
            var best = 0
            for i in 1..<last where joins[i] < joins[best] { best = i }
            let merge = joins[best]
            if merge == .none { break }
            symbols[best] = merge.merged
            for i in best + 1..<last {
                symbols[i] = symbols[i + 1]
                joins[i - 1] = joins[i]
            }
            last -= 1
            if best < last { joins[best] = merges.merge(symbols[best], symbols[best + 1]) }
            if best > 0 { joins[best - 1] = merges.merge(symbols[best - 1], symbols[best]) }
        }
        for i in 0...last { output.append(symbols[i]) }
    }

    /// Takes the lowest rank from a queue and joins neighbours in a linked list. Queue entries are rank << 40 | position;
    /// one whose rank is no longer that of its position is stale.
    private mutating func encodeByQueue(
        _ text: borrowing Span<UInt8>,
        _ piece: Range<Int>,
        into output: inout [TokenID]
    ) {
        nodes.removeAll(keepingCapacity: true)
        var position = piece.lowerBound
        while position < piece.upperBound {
            let symbol = next(text, &position, piece)
            if let last = nodes.indices.last { nodes[last].merge = merges.merge(nodes[last].symbol, symbol) }
            nodes.append(Node(symbol: symbol, merge: .none, previous: nodes.count - 1, next: nodes.count + 1))
        }
        queue.assign(nodes.indices.compactMap { Self.entry(nodes[$0].merge, $0) })
        while let entry = queue.popMin() {
            let position = Int(entry & 0xFF_FFFF_FFFF)
            guard nodes[position].merge.rank == UInt32(entry >> 40) else { continue }
            join(at: position)
        }
        var node = 0
        while node < nodes.count {
            output.append(nodes[node].symbol)
            node = nodes[node].next
        }
    }

    /// Joins the token at `position` with the next one.
    private mutating func join(at position: Int) {
        let absorbed = nodes[position].next
        let following = nodes[absorbed].next
        nodes[absorbed].merge = .none
        nodes[position].symbol = nodes[position].merge.merged
        nodes[position].next = following
        if following < nodes.count { nodes[following].previous = position }
        updateMerge(at: position)
        if nodes[position].previous >= 0 { updateMerge(at: nodes[position].previous) }
    }

    private mutating func updateMerge(at position: Int) {
        let next = nodes[position].next
        let merge = next < nodes.count ? merges.merge(nodes[position].symbol, nodes[next].symbol) : .none
        nodes[position].merge = merge
        if let entry = Self.entry(merge, position) { queue.push(entry) }
    }

    private static func entry(_ merge: MergeTable.Merge, _ position: Int) -> UInt64? {
        merge == .none ? nil : UInt64(merge.rank) << 40 | UInt64(position)
    }
}
