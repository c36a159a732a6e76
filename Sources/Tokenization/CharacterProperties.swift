/// What the pre-tokenizer's pattern tells apart; each character has exactly one class.
enum CharacterClass: UInt8 {
    case other = 0
    /// `\p{L}`
    case letter = 1
    /// `\p{N}`
    case number = 2
    /// `\s`, which is White_Space
    case space = 3
}

/// One byte per code point: the class in the low bits, and whether NFC must look at it.
struct CharacterProperties: Sendable {
    static let shared = CharacterProperties()

    private static let activeBit: UInt8 = 4
    /// (UnicodeTables.limit); every code point beyond is `.other` and inert.
    private let table: [UInt8]

    private init() {
        var table = [UInt8](repeating: 0, count: UnicodeTables.limit)
        func mark(_ ranges: [UInt32], _ bits: UInt8) {
            for i in stride(from: 0, to: ranges.count, by: 2) {
                for scalar in ranges[i]...ranges[i + 1] { table[Int(scalar)] |= bits }
            }
        }
        mark(UnicodeTables.letters, CharacterClass.letter.rawValue)
        mark(UnicodeTables.numbers, CharacterClass.number.rawValue)
        mark(UnicodeTables.whiteSpace, CharacterClass.space.rawValue)
        mark(UnicodeTables.normalizationActive, Self.activeBit)
        self.table = table
    }

    @inline(__always)
    func characterClass(_ scalar: UInt32) -> CharacterClass {
        let index = Int(scalar)
        guard index < table.count else { return .other }
        return CharacterClass(rawValue: table[index] & 3) ?? .other
    }

    /// True if NFC may change the character, reorder it or join it to what stands before.
    /// A character for which this is false always begins a new segment for normalisation.
    @inline(__always)
    func isNormalizationActive(_ scalar: UInt32) -> Bool {
        let index = Int(scalar)
        return index < table.count && table[index] & Self.activeBit != 0
    }
}
