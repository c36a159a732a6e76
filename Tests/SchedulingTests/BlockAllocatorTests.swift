import Testing

@testable import Scheduling

@Suite struct BlockAllocatorTests {
    @Test func givesAllOrNone() throws {
        var allocator = BlockAllocator(count: 4)
        let first = allocator.allocate(3)
        let three = try #require(first)
        #expect(Set(three).count == 3 && three.allSatisfy { (0..<4).contains($0) })
        let tooMany = allocator.allocate(2)
        #expect(tooMany == nil)
        #expect(allocator.freeCount == 1)
        let last = allocator.allocate(1)
        #expect(last?.count == 1)
        #expect(allocator.usedCount == 4)
    }

    @Test func freesWithTheLastReference() throws {
        var allocator = BlockAllocator(count: 2)
        let allocated = allocator.allocate(2)
        let blocks = try #require(allocated)
        allocator.retain(blocks[..<1])
        allocator.release(blocks)
        #expect(allocator.freeCount == 1)
        #expect(allocator.references(to: blocks[0]) == 1)
        allocator.release(blocks[..<1])
        #expect(allocator.freeCount == 2)
    }

    @Test func keptBlocksAreCachedInTheOrderOfTheirRelease() throws {
        var allocator = BlockAllocator(count: 4)
        let allocated = allocator.allocate(4)
        let blocks = try #require(allocated)
        for block in blocks.dropLast() { allocator.keep(block) }
        #expect(allocator.oldestCached == nil)
        allocator.release([blocks[2], blocks[0], blocks[3], blocks[1]])
        #expect((allocator.freeCount, allocator.cachedCount, allocator.usedCount) == (1, 3, 0))
        allocator.retain([blocks[2]])  // back in use, and newest once released
        #expect((allocator.cachedCount, allocator.usedCount) == (2, 1))
        allocator.release([blocks[2]])
        for expected in [blocks[0], blocks[1], blocks[2]] {
            #expect(allocator.oldestCached == expected)
            allocator.forget(expected)
        }
        #expect(allocator.oldestCached == nil)
        #expect((allocator.freeCount, allocator.cachedCount) == (4, 0))
    }

    @Test func forgettingAHeldBlockLeavesItHeld() throws {
        var allocator = BlockAllocator(count: 1)
        let allocated = allocator.allocate(1)
        let blocks = try #require(allocated)
        allocator.keep(blocks[0])
        allocator.forget(blocks[0])
        #expect(allocator.usedCount == 1)
        allocator.release(blocks)
        #expect((allocator.freeCount, allocator.cachedCount) == (1, 0))
    }

    @Test func randomUseNeverGivesABlockTwice() {
        var random = SystemRandomNumberGenerator()
        var allocator = BlockAllocator(count: 50)
        var held: [[Int32]] = []
        for _ in 0..<2000 {
            if Bool.random(using: &random), let blocks = allocator.allocate(Int.random(in: 0...9)) {
                held.append(blocks)
            } else if let index = held.indices.randomElement() {
                allocator.release(held.remove(at: index))
            }
            let all = held.flatMap { $0 }
            #expect(Set(all).count == all.count)
            #expect(allocator.usedCount == all.count)
        }
    }
}
