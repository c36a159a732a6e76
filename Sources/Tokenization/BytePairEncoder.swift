import ModelFiles

/// Byte pair encoding of one piece after another; holds the scratch space, so one per call of `encode`.
///
/// Always merges the pair of lowest rank, the leftmost among equals, as Hugging Face `tokenizers` does (also when the whole
/// piece is a token: the merges decide).
struct BytePairEncoder {
    private let merges: MergeTable
    /// (256): the token of each byte.
    private let byteTokens: [TokenID]
    /// Pieces up to this length are scanned, longer ones use the heap; both give the same tokens.
    private let scanLimit: Int

    private var symbols: [TokenID] = []
    /// ranks[i]: rank of merging symbols[i] with the one after it.
    private var ranks: [UInt32] = []
    private var next: [Int] = []
    private var previous: [Int] = []
    private var heap = MinHeap()

    init(merges: MergeTable, byteTokens: [TokenID], scanLimit: Int = 64) {
        self.merges = merges
        self.byteTokens = byteTokens
        self.scanLimit = scanLimit
    }

    /// Appends the tokens of text[range]. O(n log n) in the piece's length, 48 bytes of scratch a byte.
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
        if range.count <= scanLimit { mergeByScanning(into: &output) } else { mergeByHeap(into: &output) }
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

    /// Takes the lowest rank from a heap and joins neighbours in a linked list. Heap entries are rank << 40 | position;
    /// one whose rank is no longer that of its position is stale.
    private mutating func mergeByHeap(into output: inout [TokenID]) {
        let count = symbols.count
        next.removeAll(keepingCapacity: true)
        previous.removeAll(keepingCapacity: true)
        next.append(contentsOf: 1...count)
        previous.append(contentsOf: -1..<count - 1)
        heap.assign((0..<count).compactMap { Self.entry(ranks[$0], $0) })
        while let entry = heap.popMin() {
            let position = Int(entry & 0xFF_FFFF_FFFF)
            let rank = UInt32(entry >> 40)
            guard ranks[position] == rank else { continue }
            let absorbed = next[position]
            let following = next[absorbed]
            symbols[position] = merges.merged(rank)
            ranks[absorbed] = MergeTable.noRank
            next[position] = following
            if following < count { previous[following] = position }
            updateRank(at: position, count: count)
            if previous[position] >= 0 { updateRank(at: previous[position], count: count) }
        }
        var position = 0
        while position < count {
            output.append(symbols[position])
            position = next[position]
        }
    }

    private mutating func updateRank(at position: Int, count: Int) {
        let following = next[position]
        let rank = following < count ? merges.rank(symbols[position], symbols[following]) : MergeTable.noRank
        ranks[position] = rank
        if let entry = Self.entry(rank, position) { heap.push(entry) }
    }

    private static func entry(_ rank: UInt32, _ position: Int) -> UInt64? {
        rank == MergeTable.noRank ? nil : UInt64(rank) << 40 | UInt64(position)
    }
}

/// A binary heap of integers, smallest first.
struct MinHeap {
    private var items: [UInt64] = []

    /// Replaces the content; O(n).
    mutating func assign(_ values: some Sequence<UInt64>) {
        items.removeAll(keepingCapacity: true)
        items.append(contentsOf: values)
        for i in stride(from: items.count / 2 - 1, through: 0, by: -1) { siftDown(from: i) }
    }

    mutating func push(_ value: UInt64) {
        items.append(value)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard value < items[parent] else { break }
            items[child] = items[parent]
            child = parent
        }
        items[child] = value
    }

    mutating func popMin() -> UInt64? {
        guard let smallest = items.first, let last = items.popLast() else { return nil }
        if !items.isEmpty {
            items[0] = last
            siftDown(from: 0)
        }
        return smallest
    }

    private mutating func siftDown(from start: Int) {
        let value = items[start]
        var parent = start
        while true {
            var child = 2 * parent + 1
            guard child < items.count else { break }
            if child + 1 < items.count, items[child + 1] < items[child] { child += 1 }
            guard items[child] < value else { break }
            items[parent] = items[child]
            parent = child
        }
        items[parent] = value
    }
}
