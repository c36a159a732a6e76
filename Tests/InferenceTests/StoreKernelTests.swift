import CKernels
import Testing

@testable import Inference

/// How keys and values get into an int8 cache.
struct StoreKernelTests {
    /// Quants and a scale of each token's own keys and values, wherever the token stands.
    @Test(arguments: [2, 6, 16, 64, 80, 256], [Int32(0), 5, 31])
    func storesQuantsAndScaleOfEachHead(headDim: Int, token: Int32) throws {
        var random = SeededNumbers(12)
        let zeros = [Float](repeating: 0, count: headDim)
        let heads = [random.floats(headDim), random.floats(headDim, in: -300...300), zeros]
        let (stride, token) = ((headDim + 15) / 16 * 16, Int(token))
        for (keys, values) in zip(heads, heads.reversed()) {
            let block = try stored(keys, values, token: Int32(token))
            #expect(block.count == 32 * (headDim + stride) + 64 * 4)
            let scales = block.suffix(64 * 4).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
            #expect(scales[token] == scale(keys) && scales[32 + token] == scale(values))
            #expect(keys.indices.map { block[32 * $0 + token] } == quants(keys))
            let row = 32 * headDim + stride * token
            #expect(Array(block[row..<row + headDim]) == quants(values))
        }
    }

    /// What F16 cannot hold becomes the largest that it can, so that scores stay finite.
    @Test func clampsAsF16Does() throws {
        let block = try stored([1e30, 1], [.nan, -.infinity], token: 0)
        let scales = block.suffix(64 * 4).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        #expect(scales[0] == 65504 / 127 && scales[32] == 65504 / 127)
        #expect(block[0] == 127 && block[32] == 0 && block[64] == 127 && block[65] == -127)
    }

    private func scale(_ x: [Float]) -> Float { (x.map(abs).max() ?? 0) / 127 }

    private func quants(_ x: [Float]) -> [Int8] {
        let largest = x.map(abs).max() ?? 0
        return x.map { largest > 0 ? Int8(($0 * (127 / largest)).rounded(.toNearestOrEven)) : 0 }
    }

    /// A block of one head after a token was written to it, without rotation.
    private func stored(_ keys: [Float], _ values: [Float], token: Int32) throws -> [Int8] {
        let (headDim, stride) = (keys.count, (keys.count + 15) / 16 * 16)
        let pool = try #require(ck_pool_create(1))
        defer { ck_pool_destroy(pool) }
        var engine = ck_engine(kernels: ck_kernels_generic(), pool: pool)
        // q, k, v, cosines, sines: (5, headDim)
        let floats = UnsafeMutablePointer<Float>.allocate(capacity: 5 * headDim)
        let (positions, table, groups) = (constant([token]), constant([Int32(0)]), constant([Int32(0), 1]))
        let tables = constant([UnsafePointer<Int32>?(table)])
        let block = UnsafeMutableBufferPointer<Int8>.allocate(capacity: ck_head_block(UInt32(CK_I8), headDim, stride))
        defer {
            [positions, table, groups].forEach { $0.deallocate() }
            floats.deallocate()
            tables.deallocate()
            block.deallocate()
        }
        for (index, x) in [keys, keys, values, keys.map { _ in 1 }, keys.map { _ in 0 }].enumerated() {
            (floats + index * headDim).update(from: x, count: headDim)
        }
        block.update(repeating: 0)
        var heads = ck_heads()
        (heads.q, heads.k, heads.v) = (floats, floats + headDim, floats + 2 * headDim)
        (heads.q_stride, heads.kv_stride, heads.heads, heads.kv_heads) = (headDim, headDim, 1, 1)
        (heads.head_dim, heads.head_stride) = (headDim, stride)
        (heads.cache, heads.cache_type) = (UnsafeMutableRawPointer(block.baseAddress), UInt32(CK_I8))
        var places = ck_places(
            positions: positions,
            tables: tables,
            cosines: floats + 3 * headDim,
            sines: floats + 4 * headDim,
            groups: groups,
            group_count: 1
        )
        ck_rope_and_store(&engine, &heads, &places, 1)
        return Array(block)
    }

    private func constant<Element: BitwiseCopyable>(_ elements: [Element]) -> UnsafeMutablePointer<Element> {
        let copy = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
        copy.initialize(from: elements, count: elements.count)
        return copy
    }
}
