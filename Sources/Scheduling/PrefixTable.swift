import ModelFiles

/// Pinned prefixes by content, and the blocks each holds so that they are never evicted. The prefix cache finds them.
/// At most two generations of role prefixes at once.
struct PrefixTable {
    private struct Entry {
        var blocks: [Int32]
        var pins: Int
    }

    private var entries: [[TokenID]: Entry] = [:]

    /// Blocks held by all prefixes; some may share their first ones.
    private(set) var blockCount = 0

    /// Another pin of a prefix that is there; false if it is not.
    mutating func pinAgain(_ tokens: [TokenID]) -> Bool {
        guard entries[tokens] != nil else { return false }
        entries[tokens]?.pins += 1
        return true
    }

    mutating func insert(_ tokens: [TokenID], blocks: [Int32]) {
        entries[tokens] = Entry(blocks: blocks, pins: 1)
        countBlocks()
    }

    /// Takes back one pin. Returns the blocks to release if it was the last.
    mutating func unpin(_ tokens: [TokenID]) -> [Int32] {
        guard let entry = entries[tokens] else { return [] }
        guard entry.pins == 1 else {
            entries[tokens]?.pins -= 1
            return []
        }
        entries[tokens] = nil
        countBlocks()
        return entry.blocks
    }

    private mutating func countBlocks() {
        blockCount = Set(entries.values.lazy.flatMap(\.blocks)).count
    }
}
