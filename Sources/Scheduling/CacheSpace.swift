/// A part of the prefix cache: requests find what others of an equal space left behind, and nothing else but pinned prefixes.
package struct CacheSpace: Sendable, Hashable {
    /// Most bytes of a name.
    package static let maxBytes = 128

    /// Compared byte by byte, which a `String` is not.
    private let name: [UInt8]
    /// Only whole blocks are found, so that how much of a guess is right shows in steps of 32 tokens, not token by token.
    let wholeBlocksOnly: Bool

    /// nil if the name is too long.
    package init?(name: String, wholeBlocksOnly: Bool) {
        guard name.utf8.count <= Self.maxBytes else { return nil }
        self.name = Array(name.utf8)
        self.wholeBlocksOnly = wholeBlocksOnly
    }
}
