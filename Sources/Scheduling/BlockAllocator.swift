/// Which KV blocks are held, cached or free. Held: by so many sequences and pinned prefixes. Cached: held by none, but kept
/// for its contents until a block is needed. free + cached + used = count at any time.
struct BlockAllocator {
    private struct Entry {
        var references: Int32 = 0
        /// Goes among the cached blocks with its last reference, not among the free ones.
        var isKept = false
        /// Neighbours among the cached blocks.
        var older: Int32 = 0
        var newer: Int32 = 0
    }

    /// (count + 1); the last entry closes the ring of cached blocks: its `newer` is the oldest of them.
    private var entries: [Entry]
    private var free: [Int32]
    private(set) var cachedCount = 0

    init(count: Int) {
        entries = Array(repeating: Entry(), count: count + 1)
        free = (0..<Int32(count)).reversed()
        entries[count].older = Int32(count)
        entries[count].newer = Int32(count)
    }

    var count: Int { entries.count - 1 }
    var freeCount: Int { free.count }
    var usedCount: Int { count - freeCount - cachedCount }

    func references(to block: Int32) -> Int { Int(entries[Int(block)].references) }

    /// The cached block that was released first.
    var oldestCached: Int32? { cachedCount > 0 ? entries[count].newer : nil }

    /// Free blocks, all or none; each with one reference.
    mutating func allocate(_ count: Int) -> [Int32]? {
        guard count <= free.count else { return nil }
        let blocks = Array(free.suffix(count).reversed())
        free.removeLast(count)
        for block in blocks { entries[Int(block)].references = 1 }
        return blocks
    }

    /// One more reference to each; they must be held or cached.
    mutating func retain(_ blocks: some Collection<Int32>) {
        for block in blocks {
            assert(references(to: block) > 0 || entries[Int(block)].isKept)
            if references(to: block) == 0 { unlink(block) }
            entries[Int(block)].references += 1
        }
    }

    /// One reference less to each, in this order; the last one frees the block, or adds it as the newest cached one.
    mutating func release(_ blocks: some Collection<Int32>) {
        for block in blocks {
            assert(references(to: block) > 0)
            entries[Int(block)].references -= 1
            guard references(to: block) == 0 else { continue }
            if entries[Int(block)].isKept { link(block) } else { free.append(block) }
        }
    }

    /// From now on the held block is kept after its last reference.
    mutating func keep(_ block: Int32) {
        assert(references(to: block) > 0)
        entries[Int(block)].isKept = true
    }

    /// Takes `keep` back: a cached block becomes free.
    mutating func forget(_ block: Int32) {
        assert(entries[Int(block)].isKept)
        entries[Int(block)].isKept = false
        guard references(to: block) == 0 else { return }
        unlink(block)
        free.append(block)
    }

    private mutating func link(_ block: Int32) {
        let newest = entries[count].older
        entries[Int(block)].older = newest
        entries[Int(block)].newer = Int32(count)
        entries[Int(newest)].newer = block
        entries[count].older = block
        cachedCount += 1
    }

    private mutating func unlink(_ block: Int32) {
        let (older, newer) = (entries[Int(block)].older, entries[Int(block)].newer)
        entries[Int(older)].newer = newer
        entries[Int(newer)].older = older
        cachedCount -= 1
    }
}
