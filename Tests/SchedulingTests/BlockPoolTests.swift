import Inference
import ModelFiles
import Testing

@testable import Scheduling

extension BlockPool {
    fileprivate mutating func take(_ prompt: [TokenID], _ capacity: Int, _ space: CacheSpace?) throws -> Lease {
        let lease = lease(prompt, capacity: capacity, space: space)
        return try #require(lease)
    }
}

@Suite struct BlockPoolTests {
    private let ours = space("ours")

    private func blocks(_ pool: BlockPool) -> [Int] { [pool.freeCount, pool.cachedCount, pool.usedCount] }

    /// Leases for the tokens and one more, and leaves them in the cache.
    private func keep(_ tokens: [TokenID], in pool: inout BlockPool, space: CacheSpace?) throws {
        let lease = try pool.take(tokens, tokens.count + 1, space)
        pool.release(pool.store(tokens[...], in: lease.blocks, space: space))
    }

    @Test func sharesWholeBlocksAndCopiesTheLast() throws {
        var pool = BlockPool(blocks: 8)
        let tokens = prompt(70, seed: 1)
        try keep(tokens, in: &pool, space: ours)
        #expect(blocks(pool) == [5, 3, 0])
        let first = try pool.take(tokens + [9], 90, ours)
        let second = try pool.take(tokens + [8], 90, ours)
        #expect(first.cached == 70 && first.cachedConversation == 70)
        #expect(first.blocks.prefix(2) == second.blocks.prefix(2))
        #expect(first.copy?.from == second.copy?.from)
        #expect(first.copy?.to == first.blocks[2] && second.copy?.to == second.blocks[2])
        #expect(Set(first.blocks + second.blocks).count == 4)
        #expect(blocks(pool) == [3, 1, 4])
        pool.release(first.blocks)
        pool.release(second.blocks)
        #expect(blocks(pool) == [5, 3, 0])
    }

    @Test func theLastTokenIsAlwaysComputed() throws {
        var pool = BlockPool(blocks: 8)
        let tokens = prompt(64, seed: 1)
        try keep(tokens, in: &pool, space: ours)
        let lease = try pool.take(tokens, 65, ours)
        #expect(lease.cached == 63)
        #expect(lease.copy != nil)
    }

    @Test func evictsTheLeastRecentlyUsedConversationLeafFirst() throws {
        var pool = BlockPool(blocks: 6)
        let (old, new) = (prompt(64, seed: 1), prompt(96, seed: 2))
        try keep(old, in: &pool, space: ours)  // 2 blocks stay
        try keep(new, in: &pool, space: ours)  // 3 blocks stay
        #expect(blocks(pool) == [1, 5, 0])
        // A block more than is free: the end of the old conversation.
        let one = try pool.take([1], 64, nil)
        #expect(blocks(pool) == [0, 4, 2])
        let found = try pool.take(old[..<60] + [9], 61, ours)
        #expect(found.cached == 32)
        pool.release(found.blocks)
        pool.release(one.blocks)
        // Used again, the old one outlives the new one's end.
        try keep(old, in: &pool, space: ours)
        let all = try pool.take([1], 4 * 32, nil)
        pool.release(all.blocks)
        let again = try pool.take(old + [9], 66, ours)
        #expect(again.cached == 64)
    }

    @Test func whatIsCachedNeverKeepsARequestOut() throws {
        for count in [1, 31, 32, 33, 64, 95, 96, 127] {
            var pool = BlockPool(blocks: 4)
            let tokens = prompt(count, seed: 1)
            try keep(tokens, in: &pool, space: ours)
            // All of the arena, with the cached beginning and without.
            for asked in [tokens + [9], prompt(count, seed: 2)] {
                let lease = try pool.take(asked, 128, ours)
                #expect(Set(lease.blocks).count == 4)
                #expect(!pool.fits([1], capacity: 1, space: ours))
                pool.release(lease.blocks)
            }
        }
    }

    @Test func heldBlocksAreNeverEvicted() throws {
        var pool = BlockPool(blocks: 4)
        let tokens = prompt(64, seed: 1)
        try keep(tokens, in: &pool, space: ours)
        let held = try pool.take(tokens + [9], 96, ours)
        #expect(held.cached == 64)
        #expect(!pool.fits([1], capacity: 64, space: ours))
        let last = try pool.take([1], 32, ours)
        #expect(Set(held.blocks).isDisjoint(with: last.blocks))
        #expect(blocks(pool) == [0, 0, 4])
    }

    @Test func aLongerTurnReplacesTheEndOfTheLast() throws {
        var pool = BlockPool(blocks: 16)
        var tokens: [TokenID] = []
        for turn in 0..<12 {
            tokens += prompt(7, seed: UInt64(turn))
            try keep(tokens, in: &pool, space: ours)
            #expect(pool.cachedCount == (tokens.count + 31) / 32)
        }
        try keep(Array(tokens.prefix(40)), in: &pool, space: ours)  // nothing new
        #expect(pool.cachedCount == (tokens.count + 31) / 32)
    }

    @Test func theSameComputedTwiceIsKeptOnce() throws {
        var pool = BlockPool(blocks: 16)
        let tokens = prompt(70, seed: 1)
        let leases = try (0..<3).map { _ in try pool.take(tokens, 80, ours) }
        for (index, lease) in leases.enumerated() {
            let computed = tokens + [TokenID(index), 5]
            pool.release(pool.store(computed[...], in: lease.blocks, space: ours))
        }
        #expect(blocks(pool) == [11, 5, 0])  // 2 common blocks and 3 ends
    }

    @Test func aPinGoesAheadOfTheConversationsBehindIt() throws {
        var pool = BlockPool(blocks: 16)
        let prefix = prompt(40, seed: 1)
        let lease = try pool.take(prefix, 40, nil)
        let pinned = pool.store(prefix[...], in: lease.blocks, space: nil)
        try keep(prefix + prompt(60, seed: 2), in: &pool, space: ours)
        #expect(blocks(pool) == [11, 3, 2])
        let again = try pool.take(prefix + prompt(60, seed: 2) + [9], 128, ours)
        #expect(again.cached == 100 && again.cachedConversation == 60)
        let stranger = try pool.take(prefix + [9], 64, space("theirs"))
        #expect(stranger.cached == 40 && stranger.cachedConversation == 0)
        pool.release(again.blocks)
        pool.release(stranger.blocks)
        pool.release(pinned)
        let all = try pool.take([1], 16 * 32, nil)
        #expect(blocks(pool) == [0, 0, 16])
        pool.release(all.blocks)
    }
}
