/// Unicode normalisation form C (UAX #15) over UTF-8 bytes; ill-formed bytes become U+FFFD.
struct Normalizer {
    private let properties = CharacterProperties.shared
    private let mappings = CanonicalMappings.shared

    /// The code points since the last boundary; bounded by the input.
    private var segment: [UInt32] = []
    /// Decomposed code points as combining class << 56 | index << 21 | scalar, so that sorting is stable.
    private var decomposed: [UInt64] = []
    private var composed: [UInt32] = []
    private var output: [UInt8] = []

    private init() {}

    /// True if the bytes are well-formed and certainly in NFC already. False answers may be pessimistic.
    static func isNormalized(_ text: borrowing Span<UInt8>) -> Bool {
        let properties = CharacterProperties.shared
        var position = 0
        while position < text.count {
            if text[position] < 0x80 {
                position += 1
                continue
            }
            let step = UTF8Decoding.step(text, at: position)
            guard step.kind == .scalar, !properties.isNormalizationActive(step.scalar) else { return false }
            position += step.length
        }
        return true
    }

    /// The NFC form, as UTF-8. O(n log n) also for endless combining marks.
    static func normalize(_ text: borrowing Span<UInt8>) -> [UInt8] {
        var normalizer = Normalizer()
        normalizer.output.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            let step = UTF8Decoding.step(text, at: position)
            if !normalizer.properties.isNormalizationActive(step.scalar) { normalizer.flush() }
            normalizer.segment.append(step.scalar)
            position += step.length
        }
        normalizer.flush()
        return normalizer.output
    }

    private mutating func flush() {
        if segment.count == 1, !properties.isNormalizationActive(segment[0]) {
            UTF8Decoding.append(segment[0], to: &output)
        } else if !segment.isEmpty {
            decompose()
            compose()
        }
        segment.removeAll(keepingCapacity: true)
    }

    private mutating func decompose() {
        decomposed.removeAll(keepingCapacity: true)
        for scalar in segment {
            mappings.decompose(scalar) { part in
                let combiningClass = UInt64(mappings.combiningClass(part))
                decomposed.append(combiningClass << 56 | UInt64(decomposed.count) << 21 | UInt64(part))
            }
        }
        var start = 0
        while start < decomposed.count {
            var end = start + 1
            if decomposed[start] >> 56 != 0 {
                while end < decomposed.count, decomposed[end] >> 56 != 0 { end += 1 }
                if end - start > 1 { decomposed[start..<end].sort() }
            }
            start = end
        }
    }

    private mutating func compose() {
        composed.removeAll(keepingCapacity: true)
        var starter: Int?
        var lastClass: UInt64 = 0
        for entry in decomposed {
            let combiningClass = entry >> 56
            let scalar = UInt32(entry & 0x1F_FFFF)
            if let starter, starter == composed.count - 1 || lastClass < combiningClass,
                let composite = mappings.compose(composed[starter], scalar)
            {
                composed[starter] = composite
                continue
            }
            if combiningClass == 0 { starter = composed.count }
            lastClass = combiningClass
            composed.append(scalar)
        }
        for scalar in composed { UTF8Decoding.append(scalar, to: &output) }
    }
}
