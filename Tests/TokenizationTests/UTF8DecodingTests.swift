import Testing

@testable import Tokenization

struct UTF8DecodingTests {
    private func decoded(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var position = 0
        while position < bytes.count {
            let step = UTF8Decoding.step(bytes.span, at: position)
            UTF8Decoding.append(step.scalar, to: &output)
            position += step.length
        }
        return output
    }

    @Test func everyScalarComesBack() {
        for value in stride(from: UInt32(0), to: 0x110000, by: 13) {
            guard let scalar = Unicode.Scalar(value) else { continue }
            var bytes: [UInt8] = []
            UTF8Decoding.append(value, to: &bytes)
            #expect(bytes == Array(String(scalar).utf8))
            let step = UTF8Decoding.step(bytes.span, at: 0)
            #expect(step.kind == .scalar && step.scalar == value && step.length == bytes.count)
        }
    }

    /// The examples of the Unicode standard, table 3-8 and around it.
    @Test(
        arguments: [
            ([0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41], 8),
            ([0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0xED, 0xAF, 0x41], 8),
            ([0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41, 0x80, 0xBF, 0x42], 7),
            ([0xE1, 0x80, 0xE2, 0xF0, 0x91, 0x92, 0xF1, 0xBF, 0x41], 4),
        ] as [([UInt8], Int)]
    )
    func illFormedBytesAreMaximalSubparts(_ bytes: [UInt8], _ replacements: Int) {
        let text = String(decoding: decoded(bytes), as: UTF8.self)
        #expect(text.unicodeScalars.count { $0 == "\u{FFFD}" } == replacements)
    }

    /// The standard library repairs in the same way.
    @Test func randomBytesAreRepairedAsByTheStandardLibrary() {
        var generator = SplitMix(state: 1)
        let interesting: [UInt8] = [
            0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE4, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        for _ in 0..<5000 {
            let bytes = (0..<8).compactMap { _ in interesting.randomElement(using: &generator) }
            #expect(decoded(bytes) == Array(String(decoding: bytes, as: UTF8.self).utf8), "\(bytes)")
        }
    }
}

/// A seeded generator (SplitMix64), so that a failure can be repeated.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
