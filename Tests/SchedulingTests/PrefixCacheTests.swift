import Inference
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct PrefixCacheTests {
    private let ours = space("ours")
    private let theirs = space("theirs")

    /// Two full blocks and a third of five tokens.
    private func filled(_ tokens: [TokenID], space: CacheSpace?) -> PrefixCache {
        var cache = PrefixCache(blocks: 10)
        for (index, start) in stride(from: 0, to: tokens.count, by: 32).enumerated() {
            let parent = index == 0 ? nil : Int32(index - 1)
            cache.insert(Int32(index), after: parent, tokens: tokens[start...].prefix(32), space: space)
        }
        return cache
    }

    @Test(arguments: [0, 1, 31, 32, 33, 63, 64, 66, 69])
    func findsExactlyWhatIsEqual(common: Int) {
        let tokens = prompt(69, seed: 1)
        let cache = filled(tokens, space: ours)
        let asked = tokens.prefix(common) + Array(repeating: 90, count: 40)
        let match = cache.match(asked[...], space: ours)
        #expect(match.tokens == common)
        #expect(match.blocks == Array([0, 1].prefix(common / 32)))
        #expect(match.partial?.block == (common % 32 == 0 ? nil : Int32(common / 32)))
        #expect(match.pinnedTokens == 0)
        #expect(cache.match(asked[...], space: theirs).tokens == 0)
        #expect(cache.match(asked[...], space: nil).tokens == 0)
    }

    @Test func pinnedPrefixesAreForEveryone() {
        let tokens = prompt(69, seed: 1)
        let cache = filled(tokens, space: nil)
        for space in [ours, theirs, nil, CacheSpace(name: "x", wholeBlocksOnly: true)] {
            let match = cache.match(tokens[...] + [90], space: space)
            #expect(match.tokens == 69 && match.pinnedTokens == 69)
        }
    }

    @Test func goesFromAPinnedPrefixOnIntoTheSpace() {
        let tokens = prompt(69, seed: 1)
        var cache = filled(tokens, space: nil)
        let conversation = tokens + prompt(27, seed: 2) + prompt(10, seed: 3)
        cache.insert(5, after: 1, tokens: conversation[64..<96], space: ours)
        cache.insert(6, after: 5, tokens: conversation[96...], space: ours)
        let match = cache.match(conversation[...], space: ours)
        #expect(match.blocks == [0, 1, 5] && match.partial?.block == 6)
        #expect(match.tokens == 106 && match.pinnedTokens == 69)
        #expect(cache.match(conversation[...], space: theirs).tokens == 69)
    }

    @Test func aSpaceOfWholeBlocksShowsNoMore() {
        let whole = CacheSpace(name: "whole", wholeBlocksOnly: true)
        let tokens = prompt(69, seed: 1)
        let cache = filled(tokens, space: whole)
        #expect(cache.match(tokens[...], space: whole).tokens == 64)
        #expect(cache.match(tokens[..<63], space: whole).tokens == 32)
    }

    @Test func takesTheLongestOfSeveral() {
        var cache = PrefixCache(blocks: 10)
        let tokens = prompt(32, seed: 1)
        for (block, count) in [4, 20, 9].enumerated() {
            cache.insert(Int32(block), after: nil, tokens: tokens[..<count] + [91, TokenID(block)], space: ours)
        }
        #expect(cache.match(tokens[...], space: ours).partial?.block == 1)
        #expect(cache.match(tokens[...], space: ours).tokens == 20)
        cache.remove(1)
        #expect(cache.match(tokens[...], space: ours).tokens == 9)
        cache.remove(0)
        cache.remove(2)
        #expect(cache.match(tokens[...], space: ours).tokens == 0)
    }

    @Test func shorterEndsAreThoseWithNothingElse() {
        var cache = PrefixCache(blocks: 10)
        let tokens = prompt(32, seed: 1)
        cache.insert(0, after: nil, tokens: tokens[..<4], space: ours)
        cache.insert(1, after: nil, tokens: tokens[..<4] + [91], space: ours)
        cache.insert(2, after: nil, tokens: tokens[..<4], space: theirs)
        #expect(cache.blocks(after: nil, within: tokens[..<5], space: ours) == [0])
        #expect(cache.blocks(after: nil, within: tokens[..<4], space: ours) == [])
        #expect(cache.block(after: nil, beginningWith: tokens[..<4], space: theirs) == 2)
        #expect(cache.block(after: nil, beginningWith: tokens[..<5], space: ours) == nil)
    }

    @Test func spacesAreComparedByteByByte() {
        #expect(space("\u{e9}") != space("e\u{301}"))
        #expect(space("a") == space("a"))
        #expect(CacheSpace(name: String(repeating: "x", count: 128), wholeBlocksOnly: false) != nil)
        #expect(CacheSpace(name: String(repeating: "x", count: 129), wholeBlocksOnly: false) == nil)
    }
}
