/// Which KV blocks are free, and how many sequences and prefixes hold each of the others.
struct BlockAllocator {
    private var references: [Int32]
    private var free: [Int32]

    init(count: Int) {
        references = Array(repeating: 0, count: count)
        free = (0..<Int32(count)).reversed()
    }

    var count: Int { references.count }
    var freeCount: Int { free.count }
    var usedCount: Int { references.count - free.count }

    /// All or none; each with one reference.
    mutating func allocate(_ count: Int) -> [Int32]? {
        guard count <= free.count else { return nil }
        let blocks = Array(free.suffix(count).reversed())
        free.removeLast(count)
        for block in blocks { references[Int(block)] = 1 }
        return blocks
    }

    /// One more reference to each; they must be allocated.
    mutating func retain(_ blocks: some Collection<Int32>) {
        for block in blocks {
            assert(references[Int(block)] > 0)
            references[Int(block)] += 1
        }
    }

    /// One reference less to each; the last one frees the block.
    mutating func release(_ blocks: some Collection<Int32>) {
        for block in blocks {
            assert(references[Int(block)] > 0)
            references[Int(block)] -= 1
            if references[Int(block)] == 0 { free.append(block) }
        }
    }

    func references(to block: Int32) -> Int { Int(references[Int(block)]) }
}
