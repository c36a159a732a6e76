import Inference
import ModelFiles
import Testing

@testable import Scheduling

/// The pool under random use, beside an arena that remembers for each position all tokens it was computed from: what is
/// shared, copied, evicted or overwritten by mistake shows as a wrong value.
@Suite struct BlockPoolPropertyTests {
    private struct Running {
        var tokens: [TokenID]
        var lease: BlockPool.Lease
        var computed: Int
        var space: CacheSpace?
    }

    private struct World {
        var pool: BlockPool
        var arena: [[UInt64]]
        var running: [Running] = []
        var pins: [[Int32]] = []
        /// Everything that was ever kept, by space.
        var kept: [CacheSpace?: [[TokenID]]] = [:]
        var random: UInt64
        let spaces = [space("a"), space("b"), CacheSpace(name: "c", wholeBlocksOnly: true), nil]

        init(blocks: Int, seed: UInt64) {
            pool = BlockPool(blocks: blocks)
            arena = Array(repeating: Array(repeating: 0, count: 32), count: blocks)
            random = seed
        }

        mutating func roll(_ limit: Int) -> Int {
            random = Toy.mix(random)
            return Int(random >> 8 % UInt64(limit))
        }

        /// What a position's keys and values depend on.
        static func values(_ tokens: [TokenID]) -> [UInt64] {
            var value: UInt64 = 1
            return tokens.map { token in
                value = Toy.mix(value ^ UInt64(token))
                return value
            }
        }

        /// Often the beginning of something kept before, in this space or another.
        mutating func inventTokens() -> [TokenID] {
            var tokens: [TokenID] = []
            let all = spaces.flatMap { (kept[$0] ?? []).suffix(20) }
            if !all.isEmpty, roll(4) > 0 {
                let known = all[roll(all.count)]
                tokens = Array(known.prefix(roll(3) == 0 ? roll(known.count + 1) : known.count))
            }
            tokens = Array(tokens.prefix(120))
            return tokens + (0...roll(50)).map { _ in TokenID(roll(3)) }
        }

        /// Tokens that must be found if nothing was evicted.
        func expectedHit(_ tokens: [TokenID], _ space: CacheSpace?) -> Int {
            func longest(_ space: CacheSpace?) -> Int {
                (kept[space] ?? []).map { zip($0, tokens.dropLast()).prefix { $0 == $1 }.count }.max() ?? 0
            }
            let own = space == nil ? 0 : longest(space)
            return max(space?.wholeBlocksOnly == true ? own / 32 * 32 : own, longest(nil))
        }

        mutating func begin(isComplete: Bool) {
            let tokens = inventTokens()
            let space = spaces[roll(spaces.count)]
            let capacity = tokens.count + roll(70)
            let needed = (capacity + 31) / 32
            let mustFit = needed <= pool.count - pool.usedCount
            let hit = expectedHit(tokens, space)
            #expect(pool.fits(tokens, capacity: capacity, space: space) || !mustFit)
            guard let lease = pool.lease(tokens, capacity: capacity, space: space) else {
                #expect(!mustFit)
                return
            }
            #expect(lease.blocks.count == needed)
            #expect(lease.cached <= hit && lease.cachedConversation <= lease.cached)
            if isComplete { #expect(lease.cached == hit) }
            if let (source, target) = lease.copy { arena[Int(target)] = arena[Int(source)] }
            for block in lease.blocks.dropFirst(lease.cached / 32) {
                #expect(pool.allocator.references(to: block) == 1)
            }
            running.append(Running(tokens: tokens, lease: lease, computed: lease.cached, space: space))
        }

        mutating func compute(_ index: Int) {
            let values = Self.values(running[index].tokens)
            let end = min(values.count, running[index].computed + 1 + roll(60))
            for position in running[index].computed..<end {
                arena[Int(running[index].lease.blocks[position / 32])][position % 32] = values[position]
            }
            running[index].computed = end
        }

        mutating func end(_ index: Int) {
            let ended = running.remove(at: index)
            guard let space = ended.space, roll(5) > 0 else { return pool.release(ended.lease.blocks) }
            let computed = ended.tokens.prefix(ended.computed)
            pool.release(pool.store(computed, in: ended.lease.blocks, space: space))
            kept[space, default: []].append(Array(computed))
        }

        /// Computes and pins a prefix.
        mutating func pin() {
            let tokens = inventTokens()
            guard let lease = pool.lease(tokens, capacity: tokens.count, space: nil) else { return }
            if let (source, target) = lease.copy { arena[Int(target)] = arena[Int(source)] }
            running.append(Running(tokens: tokens, lease: lease, computed: lease.cached, space: nil))
            while running[running.count - 1].computed < tokens.count { compute(running.count - 1) }
            running.removeLast()
            pins.append(pool.store(tokens[...], in: lease.blocks, space: nil))
            kept[nil, default: []].append(tokens)
        }

        func check() {
            #expect(pool.freeCount + pool.cachedCount + pool.usedCount == pool.count)
            #expect(Set(running.flatMap(\.lease.blocks) + pins.joined()).count == pool.usedCount)
            for one in running {
                let values = Self.values(one.tokens)
                let wrong = (0..<one.computed).first { arena[Int(one.lease.blocks[$0 / 32])][$0 % 32] != values[$0] }
                #expect(wrong == nil, "position of wrong keys and values")
            }
        }
    }

    @Test(arguments: 1...6 as ClosedRange<UInt64>)
    func smallArena(seed: UInt64) {
        var world = World(blocks: 24, seed: seed)
        for _ in 0..<1500 {
            switch world.roll(12) {
            case 0..<4: world.begin(isComplete: false)
            case 4..<8 where !world.running.isEmpty: world.compute(world.roll(world.running.count))
            case 8..<11 where !world.running.isEmpty: world.end(world.roll(world.running.count))
            case 11 where world.pins.count < 3: world.pin()
            case 11: world.pool.release(world.pins.remove(at: world.roll(world.pins.count)))
            default: break
            }
            world.check()
        }
        drain(&world)
    }

    /// Nothing is evicted: every token that can be found is.
    @Test(arguments: 1...3 as ClosedRange<UInt64>)
    func largeArena(seed: UInt64) {
        var world = World(blocks: 2000, seed: seed)
        for _ in 0..<3 { world.pin() }
        for _ in 0..<500 {
            switch world.roll(3) {
            case 0: world.begin(isComplete: true)
            case 1 where !world.running.isEmpty: world.compute(world.roll(world.running.count))
            case 2 where !world.running.isEmpty: world.end(world.roll(world.running.count))
            default: break
            }
        }
        #expect(world.pool.freeCount > 0)
        world.check()
        drain(&world)
    }

    /// Everything can be had again.
    private func drain(_ world: inout World) {
        while !world.running.isEmpty { world.end(0) }
        for pin in world.pins { world.pool.release(pin) }
        #expect(world.pool.usedCount == 0)
        let all = world.pool.lease([1], capacity: world.pool.count * 32, space: nil)
        #expect(Set(all?.blocks ?? []).count == world.pool.count)
        #expect(world.pool.cachedCount == 0)
    }
}
