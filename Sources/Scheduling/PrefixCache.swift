import Inference
import ModelFiles

/// What the kept KV blocks hold, as a tree: a block's keys and values depend on all tokens before it, so a child stands for
/// its own tokens behind those of its ancestors. Ids are compared one by one, and a parent is a block, not a hash: what is
/// found has exactly the tokens asked for.
///
/// Bounds: one node a block of the arena, and no more entries than nodes; see `bytesPerBlock`.
struct PrefixCache {
    struct Match {
        /// Whole blocks from the start on, to be shared.
        var blocks: [Int32] = []
        /// The block that goes on longest with the tokens after those, to be copied.
        var partial: (block: Int32, tokens: Int)?
        /// How many tokens pinned prefixes alone would have given.
        var pinnedTokens = 0

        var tokens: Int { blocks.count * ComputeContext.blockTokens + (partial?.tokens ?? 0) }
    }

    private struct Node {
        /// Tokens in the block, 1…32; 0: not in the tree. Only full blocks have children.
        var count = 0
        var parent = PrefixCache.none
        /// nil: a pinned prefix, for everyone.
        var space: CacheSpace?
        /// Neighbours among the children of one place.
        var previous = PrefixCache.none
        var next = PrefixCache.none
        var children = 0
    }

    /// Where a block's siblings are: those of other spaces are never looked at.
    private struct Place: Hashable {
        var parent: Int32
        var space: CacheSpace?
    }

    private static let none: Int32 = -1

    /// Most bytes that a block takes here and in the allocator: 128 of token ids, 48 of node, 16 of allocator entry, at most
    /// 4 × 40 of the table (a power of two, three quarters full at most), 160 of the space's name.
    static let bytesPerBlock = 512

    private var nodes: [Node]  // (blocks)
    private var tokens: [TokenID]  // (blocks, 32)
    private var firstChild: [Place: Int32]  // at most (blocks)

    init(blocks: Int) {
        nodes = Array(repeating: Node(), count: blocks)
        tokens = Array(repeating: 0, count: blocks * ComputeContext.blockTokens)
        firstChild = [:]
        firstChild.reserveCapacity(blocks)
    }

    /// How the tokens begin in the cache: in the space, or in pinned prefixes.
    func match(_ tokens: ArraySlice<TokenID>, space: CacheSpace?) -> Match {
        var match = Match()
        var isPinned = true
        var rest = tokens
        while !rest.isEmpty {
            let chunk = rest.prefix(ComputeContext.blockTokens)
            let own = space.flatMap { closest(to: chunk, at: Place(parent: match.blocks.last ?? Self.none, space: $0)) }
            let pinned = closest(to: chunk, at: Place(parent: match.blocks.last ?? Self.none))
            if isPinned { match.pinnedTokens += pinned?.tokens ?? 0 }
            if let own, own.tokens == ComputeContext.blockTokens {
                match.blocks.append(own.block)
                isPinned = false
            } else if let pinned, pinned.tokens == ComputeContext.blockTokens {
                match.blocks.append(pinned.block)
            } else {
                let copied = space?.wholeBlocksOnly == true ? nil : own
                match.partial = (copied?.tokens ?? 0) > (pinned?.tokens ?? 0) ? copied : pinned
                return match
            }
            rest = rest.dropFirst(ComputeContext.blockTokens)
        }
        return match
    }

    /// The block behind `parent` (nil: at the start) that begins with the tokens, at most 32: the space's own first.
    func block(after parent: Int32?, beginningWith chunk: ArraySlice<TokenID>, space: CacheSpace?) -> Int32? {
        let spaces = space == nil ? [nil] : [space, nil]
        for space in spaces {
            let found = closest(to: chunk, at: Place(parent: parent ?? Self.none, space: space))
            if let found, found.tokens == chunk.count { return found.block }
        }
        return nil
    }

    /// The blocks behind `parent` in this very space that hold less than the tokens, but nothing else.
    func blocks(after parent: Int32?, within chunk: ArraySlice<TokenID>, space: CacheSpace?) -> [Int32] {
        children(at: Place(parent: parent ?? Self.none, space: space)).filter { block in
            let count = nodes[Int(block)].count
            return count < chunk.count && common(block, chunk) == count
        }
    }

    /// Enters a block that is not there yet, behind a full one.
    mutating func insert(_ block: Int32, after parent: Int32?, tokens chunk: ArraySlice<TokenID>, space: CacheSpace?) {
        assert(nodes[Int(block)].count == 0 && (1...ComputeContext.blockTokens).contains(chunk.count))
        let place = Place(parent: parent ?? Self.none, space: space)
        let next = firstChild[place] ?? Self.none
        nodes[Int(block)] = Node(count: chunk.count, parent: place.parent, space: space, next: next)
        if next != Self.none { nodes[Int(next)].previous = block }
        firstChild[place] = block
        if let parent { nodes[Int(parent)].children += 1 }
        for (offset, token) in chunk.enumerated() { tokens[Int(block) * ComputeContext.blockTokens + offset] = token }
    }

    /// Takes out a block that has no children.
    mutating func remove(_ block: Int32) {
        let node = nodes[Int(block)]
        assert(node.count > 0 && node.children == 0)
        if node.next != Self.none { nodes[Int(node.next)].previous = node.previous }
        if node.previous != Self.none {
            nodes[Int(node.previous)].next = node.next
        } else {
            firstChild[Place(parent: node.parent, space: node.space)] = node.next == Self.none ? nil : node.next
        }
        if node.parent != Self.none { nodes[Int(node.parent)].children -= 1 }
        nodes[Int(block)] = Node()
    }

    // MARK: One place

    private func children(at place: Place) -> some Swift.Sequence<Int32> {
        sequence(first: firstChild[place] ?? Self.none) { nodes[Int($0)].next }.prefix { $0 != Self.none }
    }

    /// The child that begins with most of the tokens, at least one.
    private func closest(to chunk: ArraySlice<TokenID>, at place: Place) -> (block: Int32, tokens: Int)? {
        var best: (block: Int32, tokens: Int)?
        for block in children(at: place) {
            let count = common(block, chunk)
            if count > best?.tokens ?? 0 { best = (block, count) }
            if count == chunk.count { break }
        }
        return best
    }

    private func common(_ block: Int32, _ chunk: ArraySlice<TokenID>) -> Int {
        let start = Int(block) * ComputeContext.blockTokens
        return zip(tokens[start..<start + nodes[Int(block)].count], chunk).prefix { $0 == $1 }.count
    }
}
