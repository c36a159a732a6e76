/// Canonical decomposition and composition of single code points (UAX #15), Hangul included.
struct CanonicalMappings: Sendable {
    static let shared = CanonicalMappings()

    private enum Hangul {
        static let syllables: Range<UInt32> = 0xAC00..<0xD7A4
        static let leads: Range<UInt32> = 0x1100..<0x1113
        static let vowels: Range<UInt32> = 0x1161..<0x1176
        /// The first value stands for "no trailing consonant".
        static let trails: Range<UInt32> = 0x11A7..<0x11C3
        static let trailCount: UInt32 = 28
        static let blockCount: UInt32 = 588  // vowels × trails
    }

    /// Sorted by key: composed → first << 32 | second (0: none).
    private let decompositions: [(key: UInt64, value: UInt64)]
    /// Sorted by key: first << 32 | second → composed.
    private let compositions: [(key: UInt64, value: UInt64)]

    private init() {
        var decompositions: [(key: UInt64, value: UInt64)] = []
        var compositions: [(key: UInt64, value: UInt64)] = []
        let singletons = UnicodeTables.singletons
        for i in stride(from: 0, to: singletons.count, by: 2) {
            decompositions.append((UInt64(singletons[i]), UInt64(singletons[i + 1]) << 32))
        }
        let excluded = Set(UnicodeTables.compositionExclusions)
        let pairs = UnicodeTables.pairs
        for i in stride(from: 0, to: pairs.count, by: 3) {
            let parts = UInt64(pairs[i + 1]) << 32 | UInt64(pairs[i + 2])
            decompositions.append((UInt64(pairs[i]), parts))
            if !excluded.contains(pairs[i]) { compositions.append((parts, UInt64(pairs[i]))) }
        }
        self.decompositions = decompositions.sorted { $0.key < $1.key }
        self.compositions = compositions.sorted { $0.key < $1.key }
    }

    /// Calls `body` with each code point of the full canonical decomposition, in order.
    func decompose(_ scalar: UInt32, _ body: (UInt32) -> Void) {
        if Hangul.syllables.contains(scalar) {
            let index = scalar - Hangul.syllables.lowerBound
            body(Hangul.leads.lowerBound + index / Hangul.blockCount)
            body(Hangul.vowels.lowerBound + index % Hangul.blockCount / Hangul.trailCount)
            let trail = index % Hangul.trailCount
            if trail != 0 { body(Hangul.trails.lowerBound + trail) }
            return
        }
        guard scalar >= 0xC0, let parts = Self.find(UInt64(scalar), in: decompositions) else { return body(scalar) }
        decompose(UInt32(parts >> 32), body)
        let second = UInt32(truncatingIfNeeded: parts)
        if second != 0 { decompose(second, body) }
    }

    /// The primary composite of two code points, if there is one.
    func compose(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if Hangul.leads.contains(first), Hangul.vowels.contains(second) {
            let block = (first - Hangul.leads.lowerBound) * Hangul.blockCount
            return Hangul.syllables.lowerBound + block + (second - Hangul.vowels.lowerBound) * Hangul.trailCount
        }
        if Hangul.syllables.contains(first), Hangul.trails.contains(second), second != Hangul.trails.lowerBound {
            let hasTrail = (first - Hangul.syllables.lowerBound) % Hangul.trailCount != 0
            return hasTrail ? nil : first + (second - Hangul.trails.lowerBound)
        }
        return Self.find(UInt64(first) << 32 | UInt64(second), in: compositions).map { UInt32($0) }
    }

    /// Canonical_Combining_Class.
    func combiningClass(_ scalar: UInt32) -> UInt8 {
        let table = UnicodeTables.combiningClasses
        var low = 0
        var high = table.count / 3
        while low < high {
            let middle = (low + high) / 2
            if scalar > table[3 * middle + 1] { low = middle + 1 } else { high = middle }
        }
        guard low < table.count / 3, scalar >= table[3 * low] else { return 0 }
        return UInt8(table[3 * low + 2])
    }

    private static func find(_ key: UInt64, in table: [(key: UInt64, value: UInt64)]) -> UInt64? {
        var low = 0
        var high = table.count
        while low < high {
            let middle = (low + high) / 2
            if table[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low < table.count && table[low].key == key ? table[low].value : nil
    }
}
