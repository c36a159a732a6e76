import CKernels
import Testing

/// Random numbers that are the same in every run (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    mutating func floats(_ count: Int, in range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in Float.random(in: range, using: &self) }
    }

    mutating func tokens(_ count: Int, below vocabulary: Int32) -> [Int32] {
        (0..<count).map { _ in Int32.random(in: 0..<vocabulary, using: &self) }
    }
}

let allTypes: [UInt32] = [UInt32(CK_F32), UInt32(CK_F16), UInt32(CK_BF16), UInt32(CK_Q8_0), UInt32(CK_Q4_0)]

/// All kernels of this processor.
var allKernels: [UnsafePointer<ck_kernels>] {
    [ck_kernels_generic(), ck_kernels_avx2(), ck_kernels_avx512(), ck_kernels_neon()].compactMap { $0 }
}

/// A packed matrix with the memory it needs.
final class TestMatrix {
    let matrix: ck_matrix
    /// What the packed values stand for, row-major.
    let values: [Float]
    private let memory: UnsafeMutableRawPointer

    /// Packs rows that are in `type`'s format already.
    init(type: UInt32, rows: Int, columns: Int, encoded: [UInt8]) throws {
        let bytes = ck_packed_bytes(type, rows, columns)
        memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        let pool = try #require(ck_pool_create(1))
        defer { ck_pool_destroy(pool) }
        matrix = ck_pack(pool, type, rows, columns, encoded, memory.assumingMemoryBound(to: UInt8.self))
        var values = [Float](repeating: 0, count: rows * columns)
        try #require(ck_dequantize_row(type, encoded, &values, rows * columns))
        self.values = values
    }

    convenience init(type: UInt32, rows: Int, columns: Int, values: [Float]) throws {
        var encoded = [UInt8](repeating: 0, count: 4 * rows * columns)
        try #require(ck_quantize_row(type, values, &encoded, rows * columns))
        try self.init(type: type, rows: rows, columns: columns, encoded: encoded)
    }

    deinit { memory.deallocate() }
}

/// Rows of activations, quantised by the given kernels.
final class TestRows {
    let rows: ck_activations
    let stride: Int

    init(_ values: [Float], stride: Int, kernels: ck_kernels) {
        self.stride = stride
        let blocks = values.count / 32
        rows = ck_activations(
            values: .allocate(capacity: values.count),
            quants: .allocate(capacity: values.count),
            scales: .allocate(capacity: blocks),
            sums: .allocate(capacity: blocks),
            stride: stride
        )
        rows.values.update(from: values, count: values.count)
        kernels.quantize(rows.values, values.count, rows.quants, rows.scales, rows.sums)
    }

    deinit {
        rows.values.deallocate()
        rows.quants.deallocate()
        rows.scales.deallocate()
        rows.sums.deallocate()
    }
}

/// y of `panels` over all of a matrix, (count, panels * 16).
func product(_ kernels: UnsafePointer<ck_kernels>, _ m: TestMatrix, _ x: TestRows, first: Int, count: Int) throws
    -> [Float]
{
    let outputs = (m.matrix.rows + 15) / 16 * 16
    var (y, rows) = ([Float](repeating: .nan, count: count * outputs), x.rows)
    let panels = try #require(ck_panels_for(kernels, m.matrix.type))
    y.withUnsafeMutableBufferPointer { y in
        var target = ck_target(out: y.baseAddress, stride: outputs, bias: nil, accumulate: false)
        panels(m.matrix.data, outputs / 16, m.matrix.columns, &rows, first, count, &target)
    }
    return y
}

func relativeError(_ a: some Sequence<Float>, _ b: some Sequence<Float>) -> Double {
    var (difference, norm) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
        difference += Double(x - y) * Double(x - y)
        norm += Double(y) * Double(y)
    }
    return (difference / norm).squareRoot()
}

func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }
