import ModelFiles

/// The tokens by id, in one block of bytes.
struct Vocabulary: Sendable {
    /// Raw values as GGUF's `tokenizer.ggml.token_type`.
    enum Kind: UInt8 {
        case normal = 1
        case unknown = 2
        /// Special: steers the model, never comes from text, has no text.
        case control = 3
        /// Written out as is, never comes from text.
        case userDefined = 4
        /// An id without a token.
        case unused = 5
        case byte = 6
    }

    /// More ids than any published vocabulary has; a bound on what a file can make us allocate.
    static let maximumCount = 1 << 22

    private struct Span32 {
        var start: UInt32
        var end: UInt32
        var kind: Kind
    }

    private var bytes: [UInt8] = []
    private var tokens: [Span32] = []

    /// One more than the last id with a token.
    var count: Int { (tokens.lastIndex { $0.kind != .unused } ?? -1) + 1 }
    /// The number of ids, unused ones at the end included.
    var idCount: Int { tokens.count }

    func kind(_ id: TokenID) -> Kind {
        tokens.indices.contains(Int(id)) ? tokens[Int(id)].kind : .unused
    }

    /// The bytes as stored; for control tokens their name. Empty for ids without a token.
    func content(_ id: TokenID) -> ArraySlice<UInt8> {
        guard kind(id) != .unused else { return [] }
        let token = tokens[Int(id)]
        return bytes[Int(token.start)..<Int(token.end)]
    }

    mutating func reserve(_ count: Int, averageBytes: Int) {
        tokens.reserveCapacity(count)
        bytes.reserveCapacity(count * averageBytes)
    }

    /// Appends bytes by `write`, which answers whether they are good, and gives them to `id`.
    mutating func set(_ id: Int, kind: Kind, _ write: (inout [UInt8]) -> Bool) -> Bool {
        let start = bytes.count
        guard write(&bytes), bytes.count <= Int(UInt32.max) else { return false }
        while tokens.count <= id { tokens.append(Span32(start: 0, end: 0, kind: .unused)) }
        tokens[id] = Span32(start: UInt32(start), end: UInt32(bytes.count), kind: kind)
        return true
    }
}

/// From bytes to the id of a normal token; needed only while loading.
struct VocabularyIndex {
    /// Open addressing with linear probing; -1 is empty. A power of two, at most half full.
    private var slots: [TokenID]
    private let mask: Int

    /// Two normal tokens with the same bytes keep the lower id.
    init(_ vocabulary: Vocabulary) {
        var capacity = 1024
        while capacity < 2 * vocabulary.idCount { capacity *= 2 }
        slots = [TokenID](repeating: -1, count: capacity)
        mask = capacity - 1
        for id in 0..<TokenID(vocabulary.idCount) where vocabulary.kind(id) == .normal {
            let content = vocabulary.content(id)
            let slot = slot(of: content, in: vocabulary)
            if slots[slot] < 0 { slots[slot] = id }
        }
    }

    func id(of bytes: ArraySlice<UInt8>, in vocabulary: Vocabulary) -> TokenID? {
        let id = slots[slot(of: bytes, in: vocabulary)]
        return id < 0 ? nil : id
    }

    private func slot(of bytes: ArraySlice<UInt8>, in vocabulary: Vocabulary) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325  // FNV-1a
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        var slot = Int(truncatingIfNeeded: hash ^ hash >> 32) & mask
        while slots[slot] >= 0, vocabulary.content(slots[slot]) != bytes { slot = (slot + 1) & mask }
        return slot
    }
}
