import ModelFiles
import Testing

@testable import Tokenization

struct BytePairEncoderTests {
    /// Bytes are tokens 0 to 255; merges make 256 and up.
    private struct Merges {
        var table: MergeTable
        var list: [(TokenID, TokenID, TokenID)] = []
        var vocabulary = Vocabulary()

        init(capacity: Int) {
            table = MergeTable(capacity: capacity)
            for byte in UInt8.min...UInt8.max { add([byte]) }
        }

        var initial: InitialTokens {
            InitialTokens(bytes: (0..<256).map { TokenID($0) }, vocabulary: vocabulary, merges: table)
        }

        mutating func append(_ left: TokenID, _ right: TokenID) {
            let id = TokenID(vocabulary.idCount)
            add(Array(vocabulary.content(left)) + vocabulary.content(right))
            table.append(left: left, right: right, merged: id)
            list.append((left, right, id))
        }

        /// Gives the merges other ranks, so that some come before what they join.
        mutating func shuffle(using generator: inout SplitMix) {
            list.shuffle(using: &generator)
            table = MergeTable(capacity: list.count)
            for merge in list { table.append(left: merge.0, right: merge.1, merged: merge.2) }
        }

        private mutating func add(_ content: [UInt8]) {
            _ = vocabulary.set(vocabulary.idCount, kind: .normal) { bytes in
                bytes += content
                return true
            }
        }
    }

    /// Merges of random earlier tokens over four letters, as a trainer makes them.
    private func randomMerges(_ count: Int, seed: UInt64) throws -> Merges {
        var generator = SplitMix(state: seed)
        var tokens: [TokenID] = [97, 98, 99, 100]
        var merges = Merges(capacity: count)
        while merges.list.count < count {
            let left = try #require(tokens.randomElement(using: &generator))
            let right = try #require(tokens.randomElement(using: &generator))
            if merges.list.contains(where: { $0.0 == left && $0.1 == right }) { continue }
            tokens.append(TokenID(merges.vocabulary.idCount))
            merges.append(left, right)
        }
        return merges
    }

    private func encode(
        _ text: [UInt8],
        _ merges: Merges,
        initial: InitialTokens? = nil,
        scanLimit: Int
    ) -> [TokenID] {
        var encoder = BytePairEncoder(merges: merges.table, initial: initial ?? merges.initial, scanLimit: scanLimit)
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
            let initial = merges.initial
            var generator = SplitMix(state: 100 + seed)
            for _ in 0..<40 {
                let length = Int.random(in: 1...50, using: &generator)
                let text = (0..<length).map { _ in UInt8.random(in: 97...100, using: &generator) }
                let expected = naive(text, merges)
                #expect(encode(text, merges, initial: initial, scanLimit: 64) == expected)
                #expect(encode(text, merges, initial: initial, scanLimit: 0) == expected)
            }
        }
    }

    /// Merges of any neighbours in texts of few characters, so that tokens with parts of several characters are among them:
    /// whether a character may begin as one token then depends on what stands beside it.
    @Test func charactersFollowTheDefinition() throws {
        let characters = ["a", " ", "é", "è", "中", "丁", "上", "，", "😀"].map { Array($0.utf8) }
        var whole = 0
        for seed in 0..<40 as Range<UInt64> {
            var generator = SplitMix(state: seed)
            func text(_ count: Int) throws -> [UInt8] {
                try (0..<count).flatMap { _ in try #require(characters.randomElement(using: &generator)) }
            }
            var merges = Merges(capacity: 60)
            while merges.list.count < 60 {
                let ids = naive(try text(20), merges)
                guard ids.count > 1 else { continue }
                let position = Int.random(in: 0..<ids.count - 1, using: &generator)
                merges.append(ids[position], ids[position + 1])
            }
            if seed % 4 == 0 { merges.shuffle(using: &generator) }
            let initial = merges.initial
            for character in characters where character.count > 1 {
                let step = UTF8Decoding.step(character.span, at: 0)
                let all = 0..<character.count
                if initial.character(step.scalar, in: character.span, all, piece: all) != nil { whole += 1 }
            }
            for _ in 0..<60 {
                let text = try text(Int.random(in: 1...16, using: &generator))
                let expected = naive(text, merges)
                #expect(encode(text, merges, initial: initial, scanLimit: 64) == expected)
                #expect(encode(text, merges, initial: initial, scanLimit: 0) == expected)
            }
        }
        #expect(whole > 20)
    }

    @Test func runsOfOneLetterMergeFromTheLeft() {
        var merges = Merges(capacity: 2)
        merges.append(97, 97)
        merges.append(256, 256)
        for scanLimit in [0, 64] {
            #expect(encode(Array("aaaaaaa".utf8), merges, scanLimit: scanLimit) == [257, 256, 97])
        }
    }

    /// A later repetition of a pair decides its rank, as in Hugging Face's map of merges.
    @Test func aRepeatedPairTakesTheLaterRank() {
        var merges = Merges(capacity: 3)
        merges.append(97, 98)
        merges.append(98, 99)
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
        #expect(zip(ids, ids.dropFirst()).allSatisfy { merges.table.merge($0, $1) == .none })
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
