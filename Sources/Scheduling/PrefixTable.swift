import ModelFiles

/// Pinned prefixes by content: the blocks that hold their keys and values, read-only for everyone.
struct PrefixTable {
    private struct Entry {
        var blocks: [Int32]
        var pins: Int
    }

    private var entries: [[TokenID]: Entry] = [:]

    /// Blocks held by all prefixes; each holds its own.
    var blockCount: Int { entries.values.reduce(0) { $0 + $1.blocks.count } }

    func blocks(of tokens: some Collection<TokenID>) -> [Int32]? {
        entries[Array(tokens)]?.blocks
    }

    /// Another pin of a prefix that is there; false if it is not.
    mutating func pinAgain(_ tokens: [TokenID]) -> Bool {
        guard entries[tokens] != nil else { return false }
        entries[tokens]?.pins += 1
        return true
    }

    mutating func insert(_ tokens: [TokenID], blocks: [Int32]) {
        entries[tokens] = Entry(blocks: blocks, pins: 1)
    }

    /// Takes back one pin. Returns the blocks to release if it was the last.
    mutating func unpin(_ tokens: [TokenID]) -> [Int32] {
        guard let entry = entries[tokens] else { return [] }
        guard entry.pins == 1 else {
            entries[tokens]?.pins -= 1
            return []
        }
        entries[tokens] = nil
        return entry.blocks
    }
}
