import ModelFiles

/// The merges: which pair of tokens becomes which token, and in which order of priority.
struct MergeTable: Sendable {
    /// A merge: its rank (lowest first) above the token that it makes, so that the smaller one is the one to do first.
    struct Merge: Comparable, Sendable {
        /// Above every merge.
        static let none = Merge(bits: .max)

        private let bits: UInt64

        private init(bits: UInt64) { self.bits = bits }

        init(rank: UInt32, merged: TokenID) { bits = UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged)) }

        var rank: UInt32 { UInt32(truncatingIfNeeded: bits >> 32) }
        /// The token that the pair becomes.
        var merged: TokenID { TokenID(truncatingIfNeeded: bits) }

        static func < (a: Merge, b: Merge) -> Bool { a.bits < b.bits }
    }

    private struct Entry {
        /// left << 32 | right
        var pair: UInt64
        var merge: Merge
    }

    /// No pair: ids are not negative.
    private static let empty = UInt64.max

    /// Open addressing with linear probing. A power of two, at most three quarters full.
    private var entries: [Entry]
    private let shift: UInt64
    private(set) var count = 0

    init(capacity: Int) {
        var size = 1024
        while 3 * size < 4 * capacity { size *= 2 }
        entries = [Entry](repeating: Entry(pair: Self.empty, merge: .none), count: size)
        shift = UInt64(64 - size.trailingZeroBitCount)
    }

    /// Adds the merge of the next rank; no more than the table's capacity. A repeated pair takes the later rank.
    mutating func append(left: TokenID, right: TokenID, merged id: TokenID) {
        let pair = Self.pair(left, right)
        entries[slot(pair)] = Entry(pair: pair, merge: Merge(rank: UInt32(count), merged: id))
        count += 1
    }

    /// The merge of the pair, or `.none`.
    @inline(__always)
    func merge(_ left: TokenID, _ right: TokenID) -> Merge {
        entries[slot(Self.pair(left, right))].merge
    }

    /// Calls `body` with every pair, in no order.
    func forEach(_ body: (_ left: TokenID, _ right: TokenID, Merge) -> Void) {
        for entry in entries where entry.pair != Self.empty {
            body(TokenID(truncatingIfNeeded: entry.pair >> 32), TokenID(truncatingIfNeeded: entry.pair), entry.merge)
        }
    }

    /// The pairs by rank; nil where a later merge repeats the pair.
    var pairs: [(left: TokenID, right: TokenID)?] {
        var pairs = [(left: TokenID, right: TokenID)?](repeating: nil, count: count)
        forEach { pairs[Int($2.rank)] = ($0, $1) }
        return pairs
    }

    @inline(__always)
    private static func pair(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func slot(_ pair: UInt64) -> Int {
        let mask = entries.count - 1
        var slot = Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> shift)
        while entries[slot].pair != pair, entries[slot].pair != Self.empty { slot = (slot + 1) & mask }
        return slot
    }
}
