import ModelFiles
import Testing

@testable import Tokenization

struct BytePairEncoderTests {
    /// Bytes are tokens 0 to 255; merges make 256 and up.
    private struct Merges {
        var table: MergeTable
        var list: [(TokenID, TokenID, TokenID)]
    }

    /// Merges of random earlier tokens over four letters, as a trainer makes them.
    private func randomMerges(_ count: Int, seed: UInt64) throws -> Merges {
        var generator = SplitMix(state: seed)
        var tokens: [TokenID] = [97, 98, 99, 100]
        var merges = Merges(table: MergeTable(capacity: count), list: [])
        while merges.list.count < count {
            let left = try #require(tokens.randomElement(using: &generator))
            let right = try #require(tokens.randomElement(using: &generator))
            if merges.list.contains(where: { $0.0 == left && $0.1 == right }) { continue }
            let id = TokenID(256 + merges.list.count)
            merges.table.append(left: left, right: right, merged: id)
            merges.list.append((left, right, id))
            tokens.append(id)
        }
        return merges
    }

    private func encode(_ text: [UInt8], _ merges: Merges, scanLimit: Int) -> [TokenID] {
        var encoder = BytePairEncoder(
            merges: merges.table,
            byteTokens: (0..<256).map { TokenID($0) },
            scanLimit: scanLimit
        )
        var ids: [TokenID] = []
        encoder.encode(text.span, 0..<text.count, into: &ids)
        return ids
    }

    /// The definition: merge the leftmost pair of the lowest rank until there is none.
    private func naive(_ text: [UInt8], _ merges: Merges) -> [TokenID] {
        var ids = text.map { TokenID($0) }
        while true {
            var best: (rank: Int, position: Int)?
            for i in ids.indices.dropLast() {
                let rank = merges.list.firstIndex { $0.0 == ids[i] && $0.1 == ids[i + 1] }
                if let rank, rank < best?.rank ?? .max { best = (rank, i) }
            }
            guard let best else { return ids }
            ids[best.position] = merges.list[best.rank].2
            ids.remove(at: best.position + 1)
        }
    }

    @Test func scanningAndQueueFollowTheDefinition() throws {
        for seed in 0..<8 as Range<UInt64> {
            let merges = try randomMerges(40, seed: seed)
            var generator = SplitMix(state: 100 + seed)
            for _ in 0..<40 {
                let length = Int.random(in: 1...50, using: &generator)
                let text = (0..<length).map { _ in UInt8.random(in: 97...100, using: &generator) }
                let expected = naive(text, merges)
                #expect(encode(text, merges, scanLimit: 64) == expected)
                #expect(encode(text, merges, scanLimit: 0) == expected)
            }
        }
    }

    @Test func runsOfOneLetterMergeFromTheLeft() {
        var merges = Merges(table: MergeTable(capacity: 2), list: [])
        merges.table.append(left: 97, right: 97, merged: 256)
        merges.table.append(left: 256, right: 256, merged: 257)
        for scanLimit in [0, 64] {
            #expect(encode(Array("aaaaaaa".utf8), merges, scanLimit: scanLimit) == [257, 256, 97])
        }
    }

    /// A later repetition of a pair decides its rank, as in Hugging Face's map of merges.
    @Test func aRepeatedPairTakesTheLaterRank() {
        var merges = Merges(table: MergeTable(capacity: 3), list: [])
        merges.table.append(left: 97, right: 98, merged: 256)
        merges.table.append(left: 98, right: 99, merged: 257)
        merges.table.append(left: 97, right: 98, merged: 256)
        #expect(encode(Array("abc".utf8), merges, scanLimit: 64) == [97, 257])
        #expect(merges.table.pairs[0] == nil)
    }

    /// Quadratic merging would take hours here.
    @Test(.timeLimit(.minutes(1))) func longPieces() throws {
        let merges = try randomMerges(200, seed: 3)
        var generator = SplitMix(state: 4)
        let text = (0..<100_000).map { _ in UInt8.random(in: 97...100, using: &generator) }
        let ids = encode(text, merges, scanLimit: 64)
        #expect(ids.count < text.count)
        #expect(zip(ids, ids.dropFirst()).allSatisfy { merges.table.rank($0, $1) == MergeTable.noRank })
    }
}

struct MergeQueueTests {
    @Test func comesOutInOrder() {
        var generator = SplitMix(state: 5)
        var queue = MergeQueue()
        var expected = (0..<500).map { _ in UInt64.random(in: 0..<300, using: &generator) }
        queue.assign(expected)
        for _ in 0..<500 {
            let value = UInt64.random(in: 0..<300, using: &generator)
            queue.push(value)
            expected.append(value)
        }
        var actual: [UInt64] = []
        while let value = queue.popMin() { actual.append(value) }
        #expect(actual == expected.sorted())
        queue.assign([])
        #expect(queue.popMin() == nil)
    }
}
