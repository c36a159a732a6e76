import ModelFiles

/// The merges: which pair of tokens becomes which token, and in which order of priority.
struct MergeTable: Sendable {
    static let noRank = UInt32.max

    private struct Entry {
        var left: TokenID
        var right: TokenID
        var rank: UInt32
    }

    /// Open addressing with linear probing; a negative `left` is empty. A power of two, at most half full.
    private var entries: [Entry]
    private let mask: Int
    /// By rank.
    private var merged: [TokenID] = []

    init(capacity: Int) {
        var size = 1024
        while size < 2 * capacity { size *= 2 }
        entries = [Entry](repeating: Entry(left: -1, right: -1, rank: Self.noRank), count: size)
        mask = size - 1
        merged.reserveCapacity(capacity)
    }

    var count: Int { merged.count }

    /// Adds the merge of the next rank; no more than the table's capacity. A repeated pair takes the later rank.
    mutating func append(left: TokenID, right: TokenID, merged id: TokenID) {
        let slot = slot(left, right)
        entries[slot] = Entry(left: left, right: right, rank: UInt32(merged.count))
        merged.append(id)
    }

    /// The priority of merging the pair (lowest first), or `noRank`.
    @inline(__always)
    func rank(_ left: TokenID, _ right: TokenID) -> UInt32 {
        entries[slot(left, right)].rank
    }

    /// The token that the merge of this rank makes.
    @inline(__always)
    func merged(_ rank: UInt32) -> TokenID { merged[Int(rank)] }

    /// The pairs by rank; nil where a later merge repeats the pair.
    var pairs: [(left: TokenID, right: TokenID)?] {
        var pairs = [(left: TokenID, right: TokenID)?](repeating: nil, count: merged.count)
        for entry in entries where entry.left >= 0 { pairs[Int(entry.rank)] = (entry.left, entry.right) }
        return pairs
    }

    @inline(__always)
    private func slot(_ left: TokenID, _ right: TokenID) -> Int {
        let key = UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
        let hash = key &* 0x9E37_79B9_7F4A_7C15
        var slot = Int(truncatingIfNeeded: hash >> 32) & mask
        while entries[slot].left >= 0, entries[slot].left != left || entries[slot].right != right {
            slot = (slot + 1) & mask
        }
        return slot
    }
}
