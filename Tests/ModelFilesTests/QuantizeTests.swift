import CKernels
import ModelFiles
import Testing

/// Against what the PyPI package gguf computes, bit for bit.
@Suite struct QuantizeTests {
    @Test(arguments: [TensorType.f16, .bf16, .q8_0, .q4_0])
    func encodesAndDecodesAsTheGGUFPackage(type: TensorType) throws {
        let file = try ModelFile.open(Fixtures.quants)
        let source = try file.tensor("source")
        let expected = try file.tensor(type.name)
        let values = try file.tensor("\(type.name).values")
        #expect(expected.type == type && expected.shape == source.shape)
        let count = source.elementCount

        var encoded = [UInt8](repeating: 0xAA, count: expected.bytes.count)
        let floats = source.bytes.bindMemory(to: Float.self)
        #expect(ck_quantize_row(type.rawValue, floats.baseAddress, &encoded, count))
        #expect(encoded == expected.array)

        var decoded = [Float](repeating: .nan, count: count)
        #expect(ck_dequantize_row(type.rawValue, expected.bytes.baseAddress, &decoded, count))
        #expect(decoded.map(\.bitPattern) == values.bytes.bindMemory(to: UInt32.self).map { $0 })
    }

    static let readOnly = TensorType.allCases.filter { !TensorType.writable.contains($0) }

    @Test(arguments: readOnly)
    func decodesAsTheGGUFPackage(type: TensorType) throws {
        let file = try ModelFile.open(Fixtures.formats)
        let (encoded, values) = (try file.tensor(type.name), try file.tensor("\(type.name).values"))
        #expect(encoded.type == type && encoded.shape == values.shape)
        var decoded = [Float](repeating: .nan, count: encoded.elementCount)
        #expect(ck_dequantize_row(type.rawValue, encoded.bytes.baseAddress, &decoded, decoded.count))
        #expect(decoded.map(\.bitPattern) == values.bytes.bindMemory(to: UInt32.self).map { $0 })
        #expect(!ck_dequantize_row(type.rawValue, encoded.bytes.baseAddress, &decoded, type.blockSize - 1))
        var out = [UInt8](repeating: 0, count: 2 * decoded.count)
        #expect(!ck_quantize_row(type.rawValue, decoded, &out, decoded.count))
    }

    @Test func everyHalfBecomesItsFloat() {
        for bits in UInt16.min...UInt16.max {
            let float = ck_half_to_float(bits)
            let expected = Float(Float16(bitPattern: bits))
            if expected.isNaN {
                if !float.isNaN { Issue.record("half \(bits) should be NaN") }
            } else if float.bitPattern != expected.bitPattern {
                Issue.record("half \(bits): \(float), not \(expected)")
            }
        }
    }

    @Test func floatsRoundToTheNearestHalf() {
        var wrong: [UInt32] = []
        func check(_ bits: UInt32) {
            let value = Float(bitPattern: bits)
            if !value.isNaN && ck_float_to_half(value) != Float16(value).bitPattern { wrong.append(bits) }
        }
        for bits in stride(from: UInt32.min, to: UInt32.max - 40_009, by: 40_009) { check(bits) }
        // Around every half: on it, half way to the next, and a bit to either side of that.
        for half in UInt16.min..<0x7C00 {
            let here = Float(Float16(bitPattern: half)).bitPattern
            let middle = ((Float(Float16(bitPattern: half)) + Float(Float16(bitPattern: half + 1))) / 2).bitPattern
            for bits in [here, middle &- 1, middle, middle &+ 1] { check(bits) }
        }
        #expect(wrong.isEmpty)
    }

    @Test(arguments: [TensorType.q8_0, .q4_0])
    func refusesWhatBlocksCannotHold(type: TensorType) {
        var out = [UInt8](repeating: 0, count: 64)
        var row = [Float](repeating: 0.5, count: 32)
        #expect(ck_quantize_row(type.rawValue, row, &out, 32))
        #expect(!ck_quantize_row(type.rawValue, row, &out, 31))
        #expect(!ck_dequantize_row(type.rawValue, out, &row, 31))
        for value in [Float.nan, .infinity, -.infinity, 3e38] {
            row[17] = value
            #expect(!ck_quantize_row(type.rawValue, row, &out, 32), "\(value)")
        }
    }

    @Test func refusesOverflowAndUnknownTypes() {
        var out = [UInt8](repeating: 0, count: 64)
        #expect(!ck_quantize_row(TensorType.f16.rawValue, [65_520], &out, 1))
        #expect(ck_quantize_row(TensorType.f16.rawValue, [65_519], &out, 1))
        #expect(ck_quantize_row(TensorType.f16.rawValue, [.infinity], &out, 1))
        #expect(!ck_quantize_row(TensorType.bf16.rawValue, [.greatestFiniteMagnitude], &out, 1))
        #expect(!ck_quantize_row(99, [0], &out, 1))
        var value: Float = 0
        #expect(!ck_dequantize_row(99, out, &value, 1))
    }

    /// Too small for a scale: zeros come back, as from any block of zeros.
    @Test(arguments: [TensorType.q8_0, .q4_0])
    func blocksOfDenormalsBecomeZero(type: TensorType) {
        var row = [Float](repeating: .leastNonzeroMagnitude, count: 32)
        var out = [UInt8](repeating: 0xFF, count: type.bytesPerBlock)
        #expect(ck_quantize_row(type.rawValue, row, &out, 32))
        #expect(ck_dequantize_row(type.rawValue, out, &row, 32))
        #expect(row.allSatisfy { $0 == 0 })
    }
}
