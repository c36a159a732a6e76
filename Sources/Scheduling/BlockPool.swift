import Inference
import ModelFiles

/// The KV arena's blocks: leases them to requests, and keeps what requests computed for as long as no one needs the room.
///
/// Whoever holds a block holds all blocks before it in the tree, and chains are released from their ends. So the cached
/// block that was released first has no children: evicting in that order is least recently used first, leaf first, and
/// every cached block can be had. Held blocks are never evicted, and never written but by the one request they were
/// allocated for.
struct BlockPool {
    /// A request's blocks for all tokens that it may ever have.
    struct Lease {
        /// Hold positions 0..<32·count; the first ones may be shared and are then never written.
        var blocks: [Int32]
        /// Of these, those that no one shares.
        var ownBlocks: Int
        /// So many tokens are in the blocks once `copy` is done.
        var cached: Int
        /// Of these, those beyond what pinned prefixes gave.
        var cachedConversation: Int
        /// To be done before the next call.
        var copy: (from: Int32, to: Int32)?
    }

    private(set) var allocator: BlockAllocator
    private var cache: PrefixCache

    init(blocks: Int) {
        allocator = BlockAllocator(count: blocks)
        cache = PrefixCache(blocks: blocks)
    }

    var count: Int { allocator.count }
    var freeCount: Int { allocator.freeCount }
    /// Held by none, but with contents that a request may find.
    var cachedCount: Int { allocator.cachedCount }
    var usedCount: Int { allocator.usedCount }

    /// Whether `lease` would succeed and leave `keeping` blocks that can be had; how many it would take, else nil.
    func room(for prompt: [TokenID], capacity: Int, space: CacheSpace?, keeping: Int) -> Int? {
        guard let plan = plan(prompt, capacity: capacity, space: space), plan.needed + keeping <= plan.available else {
            return nil
        }
        return plan.needed
    }

    /// Blocks for `capacity` tokens, at least those of the prompt; what the cache has of the prompt is in the first of them.
    /// nil if too few are free or cached. Whatever is cached, it succeeds when it would without a cache.
    mutating func lease(_ prompt: [TokenID], capacity: Int, space: CacheSpace?) -> Lease? {
        guard let (match, needed, _) = plan(prompt, capacity: capacity, space: space) else { return nil }
        let source = [match.partial?.block].compactMap { $0 }
        allocator.retain(match.blocks + source)
        while allocator.freeCount < needed, let oldest = allocator.oldestCached { forget(oldest) }
        let own = allocator.allocate(needed)
        allocator.release(source)
        guard let own else { return nil }
        return Lease(
            blocks: match.blocks + own,
            ownBlocks: needed,
            cached: match.tokens,
            cachedConversation: max(0, match.tokens - match.pinnedTokens),
            copy: match.partial.flatMap { partial in own.first.map { (partial.block, $0) } }
        )
    }

    /// What to share, how many blocks to allocate, of how many that can be had.
    private func plan(
        _ prompt: [TokenID],
        capacity: Int,
        space: CacheSpace?
    ) -> (match: PrefixCache.Match, needed: Int, available: Int)? {
        // The last token is always computed, for its logits, and in a block of the request's own.
        var match = cache.match(prompt.dropLast(), space: space)
        let needed = (capacity + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens - match.blocks.count
        let shared = match.blocks.count { allocator.references(to: $0) == 0 }
        let available = freeCount + cachedCount - shared
        guard needed <= available else { return nil }
        // The block to copy from must stay while room is made.
        if let source = match.partial?.block, allocator.references(to: source) == 0, needed == available {
            match.partial = nil
        }
        return (match, needed, available)
    }

    /// Takes a lease's blocks back; what was shared stays cached.
    mutating func release(_ blocks: [Int32]) {
        allocator.release(blocks.reversed())
    }

    /// Keeps the blocks that the tokens are in. The references to `blocks` go over to those returned, which hold the same
    /// tokens: one that was there before stands in for its equal. nil as space: for everyone.
    mutating func store(_ tokens: ArraySlice<TokenID>, in blocks: [Int32], space: CacheSpace?) -> [Int32] {
        var chain: [Int32] = []
        var rest = tokens
        for block in blocks {
            let chunk = rest.prefix(ComputeContext.blockTokens)
            let isKept = space?.wholeBlocksOnly == true ? chunk.count == ComputeContext.blockTokens : !chunk.isEmpty
            guard isKept else { break }
            chain.append(enter(chunk, in: block, after: chain.last, space))
            rest = rest.dropFirst(ComputeContext.blockTokens)
        }
        allocator.retain(chain)
        release(blocks)
        return chain
    }

    /// The block that stands for the tokens in the tree from now on.
    private mutating func enter(
        _ chunk: ArraySlice<TokenID>,
        in block: Int32,
        after parent: Int32?,
        _ space: CacheSpace?
    ) -> Int32 {
        if let known = cache.block(after: parent, beginningWith: chunk, space: space) { return known }
        // The shorter ends of earlier turns are of no more use.
        for shorter in cache.blocks(after: parent, within: chunk, space: space)
        where allocator.references(to: shorter) == 0 { forget(shorter) }
        cache.insert(block, after: parent, tokens: chunk, space: space)
        allocator.keep(block)
        return block
    }

    private mutating func forget(_ block: Int32) {
        cache.remove(block)
        allocator.forget(block)
    }
}
