import CKernels
import Testing

struct MatrixKernelTests {
    @Test(arguments: allTypes)
    func unpackedRowsAreTheSource(type: UInt32) throws {
        var random = SeededNumbers(1)
        let (rows, columns) = (37, 96)
        let m = try TestMatrix(type: type, rows: rows, columns: columns, values: random.floats(rows * columns))
        var row = [Float](repeating: .nan, count: columns)
        var matrix = m.matrix
        for index in 0..<rows {
            ck_unpack_row(&matrix, index, &row)
            #expect(bits(row) == bits(m.values[index * columns..<(index + 1) * columns]))
        }
    }

    @Test func impossibleShapesHaveNoSize() {
        #expect(ck_packed_bytes(UInt32(CK_Q8_0), 16, 48) == 0)
        #expect(ck_packed_bytes(UInt32(CK_F32), 16, 0) == 0)
        #expect(ck_packed_bytes(99, 16, 32) == 0)
        #expect(ck_packed_bytes(UInt32(CK_Q4_0), 17, 64) == 2 * 16 * 2 * 18)
    }

    /// Against sums in double over the values the matrix stands for.
    @Test(arguments: allTypes, allKernels.indices)
    func productsAreRight(type: UInt32, set: Int) throws {
        var random = SeededNumbers(2)
        let (rows, columns, count) = (40, 160, 11)
        let m = try TestMatrix(type: type, rows: rows, columns: columns, values: random.floats(rows * columns))
        let values = random.floats(count * columns)
        let x = TestRows(values, stride: columns, kernels: allKernels[set].pointee)
        let quantised = type == UInt32(CK_Q8_0) || type == UInt32(CK_Q4_0)
        let y = try product(allKernels[set], m, x, first: 0, count: count)
        for row in 0..<count {
            let expected = (0..<48).map { output in
                output >= rows
                    ? 0
                    : Float(
                        (0..<columns).reduce(0.0) { sum, k in
                            let at = row * columns + k
                            let input = quantised ? Float(x.rows.quants[at]) * x.rows.scales[at / 32] : values[at]
                            return sum + Double(input) * Double(m.values[output * columns + k])
                        }
                    )
            }
            #expect(relativeError(y[row * 48..<(row + 1) * 48], expected) < 1e-6)
            #expect(y[row * 48 + rows..<(row + 1) * 48].allSatisfy { $0 == 0 })
        }
    }

    /// A row's result has the same bits in any batch.
    @Test(arguments: allTypes, allKernels.indices)
    func rowsDoNotInfluenceEachOther(type: UInt32, set: Int) throws {
        var random = SeededNumbers(3)
        let (rows, columns, count) = (80, 96, 13)
        let m = try TestMatrix(type: type, rows: rows, columns: columns, values: random.floats(rows * columns))
        let x = TestRows(random.floats(count * columns), stride: columns, kernels: allKernels[set].pointee)
        let alone = try (0..<count).flatMap { try product(allKernels[set], m, x, first: $0, count: 1) }
        for size in 1...count {
            let together = try product(allKernels[set], m, x, first: count - size, count: size)
            #expect(bits(together) == bits(alone[(count - size) * 80..<count * 80]))
        }
    }

    /// Weights of -128 and 127 against quants of ±127: the largest sums, which a saturating kernel would cut off.
    @Test(arguments: allKernels.indices)
    func q8IntegersAreExact(set: Int) throws {
        let one = withUnsafeBytes(of: Float16(1).bitPattern) { Array($0) }
        let patterns: [(Int) -> Int8] = [
            { _ in -128 }, { _ in 127 }, { $0 % 2 == 0 ? -128 : 127 }, { Int8($0 * 8 - 128) },
        ]
        let encoded = (0..<16).flatMap { row in
            one + (0..<32).map { UInt8(bitPattern: patterns[row % 4]($0)) }
        }
        let m = try TestMatrix(type: UInt32(CK_Q8_0), rows: 16, columns: 32, encoded: encoded)
        let inputs: [(Int) -> Float] = [
            { _ in 127 }, { _ in -127 }, { $0 % 2 == 0 ? -127 : 127 }, { Float($0 * 8 - 127) },
        ]
        let values = (0..<4).flatMap { row in (0..<32).map { inputs[row]($0) } }
        let y = try product(
            allKernels[set],
            m,
            TestRows(values, stride: 32, kernels: allKernels[set].pointee),
            first: 0,
            count: 4
        )
        for row in 0..<4 {
            for output in 0..<16 {
                let sum = (0..<32).reduce(0) { $0 + Int(inputs[row]($1)) * Int(patterns[output % 4]($1)) }
                #expect(y[row * 16 + output] == Float(sum))
            }
        }
    }

    @Test(arguments: allKernels.indices)
    func q4IntegersAreExact(set: Int) throws {
        let one = withUnsafeBytes(of: Float16(1).bitPattern) { Array($0) }
        let bytes: [UInt8] = [0x00, 0xff, 0x0f, 0xf0]
        let encoded = (0..<16).flatMap { row in one + [UInt8](repeating: bytes[row % 4], count: 16) }
        let m = try TestMatrix(type: UInt32(CK_Q4_0), rows: 16, columns: 32, encoded: encoded)
        let inputs: [(Int) -> Float] = [{ _ in 127 }, { _ in -127 }, { $0 < 16 ? -127 : 127 }, { Float($0 * 8 - 127) }]
        let values = (0..<4).flatMap { row in (0..<32).map { inputs[row]($0) } }
        let y = try product(
            allKernels[set],
            m,
            TestRows(values, stride: 32, kernels: allKernels[set].pointee),
            first: 0,
            count: 4
        )
        for row in 0..<4 {
            for output in 0..<16 {
                let sum = (0..<32).reduce(0) { sum, k in
                    let byte = bytes[output % 4]
                    return sum + Int(inputs[row](k)) * (Int(k < 16 ? byte & 15 : byte >> 4) - 8)
                }
                #expect(y[row * 16 + output] == Float(sum))
            }
        }
    }
}
