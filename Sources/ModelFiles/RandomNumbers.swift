/// xoshiro256++ (Blackman and Vigna, 2019), seeded by SplitMix64: the same numbers for the same seed on every machine.
struct RandomNumbers {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// - Parameter stream: independent sequences under one seed.
    init(seed: UInt64, stream: UInt64) {
        var mixer = seed &+ stream &* 0xD134_2543_DE82_EF95
        func next() -> UInt64 {
            mixer &+= 0x9E37_79B9_7F4A_7C15
            var mixed = mixer
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
        state = (next(), next(), next(), next())
    }

    mutating func next() -> UInt64 {
        let sum = state.0 &+ state.3
        let result = (sum << 23 | sum >> 41) &+ state.0
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }

    /// Fills with numbers near a normal distribution: the sum of four uniform 16-bit ones, so never beyond 3.5 deviations.
    mutating func fill(_ values: UnsafeMutableBufferPointer<Float>, mean: Float, deviation: Float) {
        // Four uniform numbers of 0...65535 sum to 131070 on average, with the variance 4 · (65536² - 1) / 12.
        let scale = deviation / 37_837.227
        for index in values.indices {
            let bits = next()
            let sum = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
            values[index] = Float(Int32(truncatingIfNeeded: sum) - 131_070) * scale + mean
        }
    }
}
