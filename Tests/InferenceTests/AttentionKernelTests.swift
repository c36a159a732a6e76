import CKernels
import Glibc
import Testing

@testable import Inference

/// A cache of one layer and head in scattered blocks, filled with random halves or quants, also behind the last token.
private struct TestCache {
    static let blocks = 4
    let precision: KVPrecision
    let headDim, headStride: Int
    /// As they are stored: (blocks, block).
    var values: [Float]
    /// Of int8 only, else 1: (blocks, 64).
    var scales: [Float]
    let table: [Int32] = [3, 0, 2]

    init(_ precision: KVPrecision, headDim: Int, seed: UInt64) {
        var random = SeededNumbers(seed)
        self.precision = precision
        self.headDim = headDim
        headStride = (headDim + 15) / 16 * 16
        let halves = random.floats(Self.blocks * 32 * (headDim + headStride), in: -2...2).map { Float(Float16($0)) }
        values = precision == .int8 ? halves.map { ($0 * 63.5).rounded() } : halves
        scales = random.floats(Self.blocks * 64, in: 0.005...0.025)
        if precision != .int8 { scales = scales.map { _ in 1 } }
    }

    /// Values of one block.
    var block: Int { 32 * (headDim + headStride) }

    func key(_ token: Int, _ d: Int) -> Double {
        let block = Int(table[token / 32])
        return Double(values[block * self.block + d * 32 + token % 32]) * Double(scales[block * 64 + token % 32])
    }

    func value(_ token: Int, _ d: Int) -> Double {
        let (block, row) = (Int(table[token / 32]), headDim * 32 + token % 32 * headStride)
        return Double(values[block * self.block + row + d]) * Double(scales[block * 64 + 32 + token % 32])
    }

    /// The bytes of all blocks.
    private var stored: [UInt8] {
        func bytes(_ values: [some BitwiseCopyable]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }
        switch precision {
        case .f32: return bytes(values)
        case .f16: return bytes(values.map { Float16($0) })
        case .int8:
            var all: [UInt8] = []
            for index in 0..<Self.blocks {
                let quants = values[index * block..<(index + 1) * block].map { Int8($0) }
                all += bytes(quants)
                all += bytes(Array(scales[index * 64..<(index + 1) * 64]))
            }
            return all
        }
    }

    /// Softmax attention in double.
    func expected(_ q: [Float], position: Int) -> [Float] {
        let scores = (0...position).map { token in
            (0..<headDim).reduce(0.0) { $0 + Double(q[$1]) * key(token, $1) }
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let total = weights.reduce(0, +)
        return (0..<headDim).map { d in
            Float((0...position).reduce(0.0) { $0 + weights[$1] * value($1, d) } / total)
        }
    }

    /// (positions.count, headDim)
    func attend(_ set: Int, _ q: [Float], positions: [Int32]) -> [Float] {
        var (out, q) = ([Float](repeating: .nan, count: q.count), q)
        stored.withUnsafeBytes { cache in
            table.withUnsafeBufferPointer { table in
                q.withUnsafeMutableBufferPointer { q in
                    out.withUnsafeMutableBufferPointer { out in
                        guard let q = q.baseAddress, let out = out.baseAddress else { return }
                        var queries = ck_queries()
                        queries.count = positions.count
                        (queries.cache, queries.type) = (cache.baseAddress, precision.type)
                        (queries.blocks, queries.block_stride) = (table.baseAddress, cache.count / Self.blocks)
                        (queries.head_dim, queries.head_stride) = (headDim, headStride)
                        withUnsafeMutableBytes(of: &queries.q) { fill($0, positions.indices.map { q + $0 * headDim }) }
                        withUnsafeMutableBytes(of: &queries.out) {
                            fill($0, positions.indices.map { out + $0 * headDim })
                        }
                        withUnsafeMutableBytes(of: &queries.position) { fill($0, positions) }
                        allKernels[set].pointee.attention(&queries)
                    }
                }
            }
        }
        return out
    }

    /// Sets the first elements of a C array.
    private func fill<Element: BitwiseCopyable>(_ array: UnsafeMutableRawBufferPointer, _ elements: [Element]) {
        for (index, element) in elements.enumerated() {
            array.storeBytes(of: element, toByteOffset: index * MemoryLayout<Element>.stride, as: Element.self)
        }
    }
}

struct AttentionKernelTests {
    @Test(arguments: [2, 6, 16, 64, 80, 256], allKernels.indices)
    func matchesSoftmaxInDouble(headDim: Int, set: Int) {
        for precision in KVPrecision.allCases {
            let cache = TestCache(precision, headDim: headDim, seed: 7)
            var random = SeededNumbers(8)
            for position in [0, 1, 30, 31, 32, 70, 95] {
                let q = random.floats(headDim)
                let out = cache.attend(set, q, positions: [Int32(position)])
                #expect(
                    relativeError(out, cache.expected(q, position: position)) < 5e-6,
                    "\(precision), position \(position)"
                )
            }
        }
    }

    /// Scores far below the largest: their weights, which come near the smallest float, add nothing to the sum.
    @Test(arguments: KVPrecision.allCases, allKernels.indices)
    func farScoresCountNothing(precision: KVPrecision, set: Int) {
        let cache = TestCache(precision, headDim: 64, seed: 13)
        var random = SeededNumbers(14)
        for _ in 0..<4 {
            let q = random.floats(64, in: -30...30)
            let out = cache.attend(set, q, positions: [95])
            #expect(relativeError(out, cache.expected(q, position: 95)) < 2e-4)
        }
    }

    /// Queries share loads, never results; nor does what lies behind the last token count.
    @Test(arguments: KVPrecision.allCases, allKernels.indices)
    func queriesDoNotInfluenceEachOther(precision: KVPrecision, set: Int) {
        var cache = TestCache(precision, headDim: 24, seed: 9)
        var random = SeededNumbers(10)
        let (positions, q): ([Int32], [Float]) = ([95, 3, 64, 31], random.floats(4 * 24))
        let alone = positions.indices.flatMap {
            cache.attend(set, Array(q[$0 * 24..<($0 + 1) * 24]), positions: [positions[$0]])
        }
        for count in 1...4 {
            let some = (Array(q[..<(count * 24)]), Array(positions[..<count]))
            let together = cache.attend(set, some.0, positions: some.1)
            #expect(bits(together) == bits(alone[..<(count * 24)]))
        }
        // Position 3 sees the tokens 0...3 of block 3: K's lanes 0...3 of each dimension, V's rows 0...3.
        let (first, keys) = (3 * cache.block, 24 * 32)
        for index in cache.values.indices {
            let at = index - first
            let isVisible = at >= 0 && (at < keys ? at % 32 <= 3 : at < keys + 4 * cache.headStride)
            if !isVisible { cache.values[index] = precision == .int8 ? 127 : 65504 }
        }
        if precision == .int8 {
            for index in cache.scales.indices where !(3 * 64..<4 * 64 ~= index && index % 32 <= 3) {
                cache.scales[index] = 65504 / 127
            }
        }
        let masked = cache.attend(set, Array(q[24..<48]), positions: [3])
        #expect(bits(masked) == bits(alone[24..<48]))
    }
}
