import CKernels
import Testing

/// Types of files that are packed as another one: what of them is kept exactly, and what is rounded.
struct PackingTests {
    /// A scale (and a minimum) of each format, and where they are in a block.
    private struct Format {
        let type: Int
        let values: Int
        let bytes: Int
        let halves: [Int]
    }

    private static let exact = [
        Format(type: CK_Q5_0, values: 32, bytes: 22, halves: [0]),
        Format(type: CK_IQ4_NL, values: 32, bytes: 18, halves: [0]),
    ]
    private static let rounded = [
        Format(type: CK_Q4_1, values: 32, bytes: 20, halves: [0, 2]),
        Format(type: CK_Q5_1, values: 32, bytes: 24, halves: [0, 2]),
        Format(type: CK_Q2_K, values: 256, bytes: 84, halves: [80, 82]),
        Format(type: CK_Q3_K, values: 256, bytes: 110, halves: [108]),
        Format(type: CK_Q4_K, values: 256, bytes: 144, halves: [0, 2]),
        Format(type: CK_Q5_K, values: 256, bytes: 176, halves: [0, 2]),
        Format(type: CK_Q6_K, values: 256, bytes: 210, halves: [208]),
        Format(type: CK_IQ4_XS, values: 256, bytes: 136, halves: [0]),
    ]

    /// Random blocks whose scales are what `scale` makes.
    private func encoded(_ format: Format, rows: Int, columns: Int, scale: (inout SeededNumbers) -> Float) -> [UInt8] {
        var random = SeededNumbers(UInt64(format.type))
        return (0..<rows * columns / format.values).flatMap { _ in
            var block = (0..<format.bytes).map { _ in UInt8.random(in: 0...255, using: &random) }
            for at in format.halves {
                let half = Float16(scale(&random)).bitPattern
                (block[at], block[at + 1]) = (UInt8(half & 0xff), UInt8(half >> 8))
            }
            return block
        }
    }

    /// Rows that fill no panel, one of them over three blocks.
    private func matrix(_ format: Format) throws -> TestMatrix {
        let bytes = encoded(format, rows: 21, columns: 768) { Float.random(in: -0.05...0.05, using: &$0) }
        return try TestMatrix(type: UInt32(format.type), rows: 21, columns: 768, encoded: bytes)
    }

    private func unpacked(_ m: TestMatrix) -> [Float] {
        var row = [Float](repeating: .nan, count: m.matrix.columns)
        return (0..<m.matrix.rows).flatMap { index in
            var matrix = m.matrix
            ck_unpack_row(&matrix, index, &row)
            return row
        }
    }

    @Test(arguments: exact.indices)
    func integersOfEightBitsStayExact(index: Int) throws {
        let m = try matrix(Self.exact[index])
        #expect(m.matrix.type == UInt32(CK_Q8_0))
        #expect(bits(unpacked(m)) == bits(m.values))
    }

    @Test(arguments: rounded.indices)
    func othersAreRoundedToHalves(index: Int) throws {
        let m = try matrix(Self.rounded[index])
        #expect(m.matrix.type == UInt32(CK_F16))
        #expect(bits(unpacked(m)) == bits(m.values.map { Float(Float16($0)) }))
        for (half, value) in zip(unpacked(m), m.values) {
            #expect(abs(half - value) <= max(abs(value) / 2048, 0x1p-25))
        }
    }

    /// The products are those of the packed type's kernels, with the same bits in every set that fuses.
    @Test(arguments: exact.indices)
    func productsAreThoseOfTheValues(index: Int) throws {
        for format in [Self.exact[index], Self.rounded[index]] {
            let m = try matrix(format)
            var random = SeededNumbers(3)
            for kernels in allKernels {
                let x = TestRows(random.floats(2 * 768), stride: 768, kernels: kernels.pointee)
                let y = try product(kernels, m, x, first: 0, count: 2)
                let expected = (0..<2).flatMap { row in
                    (0..<32).map { output -> Float in
                        guard output < 21 else { return 0 }
                        return (0..<768).reduce(0) { $0 + x.rows.values[row * 768 + $1] * m.values[output * 768 + $1] }
                    }
                }
                #expect(relativeError(y, expected) < 1e-2)
            }
        }
    }

    @Test(arguments: rounded.indices)
    func refusesWhatNoHalfHolds(index: Int) throws {
        let format = Self.rounded[index]
        let bytes = encoded(format, rows: 1, columns: 256) { _ in 65504 }
        let memory = UnsafeMutablePointer<UInt8>.allocate(
            capacity: ck_packed_bytes(UInt32(format.type), 1, 256)
        )
        defer { memory.deallocate() }
        let pool = try #require(ck_pool_create(1))
        defer { ck_pool_destroy(pool) }
        #expect(ck_pack(pool, UInt32(format.type), 1, 256, bytes, memory).data == nil)
        #expect(ck_packed_bytes(UInt32(format.type), 1, 240) == 0)
    }
}
