import CKernels
import Glibc
import Testing

struct RowKernelTests {
    @Test(arguments: allKernels.indices)
    func exponentialIsAccurate(set: Int) {
        let x = (0..<2048).map { Float($0 - 1024) * 0.085 }
        var y = x
        allKernels[set].pointee.exp(x, &y, x.count)
        for (argument, value) in zip(x, y) {
            #expect(abs(Double(value) / exp(Double(argument)) - 1) < 3e-7, "at \(argument)")
        }
    }

    @Test(arguments: allKernels.indices)
    func exponentialKeepsItsEnds(set: Int) {
        let x: [Float] = [0, -0.0, -.infinity, -1000, .infinity, 1000, -87.2, 88.2]
        var y = x
        allKernels[set].pointee.exp(x, &y, x.count)
        #expect(y[0] == 1 && y[1] == 1)
        #expect(y.allSatisfy { $0.isFinite && $0 > 0 })
        #expect(y[2] < 1.3e-38 && y[3] < 1.3e-38 && y[4] > 1e38 && y[5] > 1e38)
    }

    @Test(arguments: allKernels.indices)
    func halvesRoundToNearestEvenAndStayFinite(set: Int) {
        var random = SeededNumbers(4)
        let exact = random.floats(4096).map {
            $0 * Float(sign: .plus, exponent: Int.random(in: -30...15, using: &random), significand: 1)
        }
        let edges: [Float] = [65504, 65519, 65520, 1e30, -.infinity, .infinity, .nan, 1 + 0x1p-11]
        var halves = [UInt16](repeating: 0, count: exact.count + edges.count)
        allKernels[set].pointee.to_f16(exact + edges, &halves, halves.count)
        for (value, half) in zip(exact, halves) { #expect(half == Float16(value).bitPattern, "\(value)") }
        let converted = halves.suffix(8).map { Float16(bitPattern: $0) }
        #expect(converted.prefix(4).allSatisfy { $0 == 65504 })
        #expect(converted[4] == -65504 && converted[5] == 65504 && converted[6].isFinite && converted[7] == 1)
    }

    @Test(arguments: allKernels.indices)
    func quantisingRoundsToNearestEven(set: Int) {
        // With an amax of 127 the inverse is 1, so that the values are the quants before rounding.
        let values: [Float] = [127, -127, 0.5, 1.5, 2.5, -0.5, -1.5, 3.49] + [Float](repeating: 0, count: 24 + 32)
        let x = TestRows(values, stride: 64, kernels: allKernels[set].pointee)
        #expect((0..<8).map { x.rows.quants[$0] } == [127, -127, 0, 2, 2, 0, -2, 3])
        #expect(x.rows.scales[0] == 1 && x.rows.sums[0] == 5)
        #expect(x.rows.scales[1] == 0 && x.rows.sums[1] == 0 && x.rows.quants[32] == 0)
    }

    @Test func quantisingIsTheSameInAllSets() {
        var random = SeededNumbers(5)
        let values = random.floats(3200, in: -30...30) + [Float](repeating: 1e-38, count: 32)
        let reference = TestRows(values, stride: values.count, kernels: ck_kernels_generic().pointee)
        for kernels in allKernels {
            let x = TestRows(values, stride: values.count, kernels: kernels.pointee)
            #expect((0..<values.count).allSatisfy { x.rows.quants[$0] == reference.rows.quants[$0] })
            #expect((0..<values.count / 32).allSatisfy { x.rows.scales[$0] == reference.rows.scales[$0] })
            #expect((0..<values.count / 32).allSatisfy { x.rows.sums[$0] == reference.rows.sums[$0] })
        }
    }

    @Test(arguments: allKernels.indices)
    func normAndSwiGLUAreRight(set: Int) {
        var random = SeededNumbers(6)
        let (n, stride) = (50, 64)
        let x = random.floats(n) + [Float](repeating: 0, count: stride - n)
        let weight = random.floats(n) + [Float](repeating: 0, count: stride - n)
        var y = [Float](repeating: .nan, count: stride)
        allKernels[set].pointee.rms_norm(x, weight, n, stride, 1e-6, &y)
        let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(n)
        let expected = zip(x, weight).map { Float(Double($1) * Double($0) / (mean + 1e-6).squareRoot()) }
        #expect(relativeError(y, expected) < 1e-6)
        #expect(y[n...].allSatisfy { $0 == 0 })

        var gate: [Float] = [-100, -20, -1, -0.0, 0, 1, 20, 100]
        let silu = gate.map { Double($0) / (1 + exp(-Double($0))) }
        allKernels[set].pointee.swiglu(&gate, [Float](repeating: 2, count: 8), 8)
        for (value, right) in zip(gate, silu) {
            #expect(abs(Double(value) - 2 * right) <= 1e-6 * abs(2 * right) + 1e-30)
        }
    }
}
