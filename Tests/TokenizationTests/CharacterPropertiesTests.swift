import Testing

@testable import Tokenization

/// The generated tables against the standard library's own, for characters that both know.
struct CharacterPropertiesTests {
    private static let known: [Unicode.Scalar] = (0..<0x110000 as Range<UInt32>).compactMap(Unicode.Scalar.init).filter
    {
        guard let age = $0.properties.age else { return false }
        return age.major <= 16
    }

    private static func expected(_ scalar: Unicode.Scalar) -> CharacterClass {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }

    @Test func classesAreThoseOfUnicode() {
        #expect(UnicodeTables.version == "16.0.0")
        #expect(Self.known.count > 290_000)
        let properties = CharacterProperties.shared
        let wrong = Self.known.filter { properties.characterClass($0.value) != Self.expected($0) }
        #expect(wrong.isEmpty, "\(wrong.prefix(10))")
    }

    @Test func combiningClassesAreThoseOfUnicode() {
        let mappings = CanonicalMappings.shared
        let wrong = Self.known.filter {
            mappings.combiningClass($0.value) != $0.properties.canonicalCombiningClass.rawValue
        }
        #expect(wrong.isEmpty, "\(wrong.prefix(10))")
    }

    @Test func beyondTheTables() {
        let properties = CharacterProperties.shared
        #expect(properties.characterClass(0x10FFFF) == .other)
        #expect(!properties.isNormalizationActive(0xE0100))
    }
}
