/// One step of reading bytes as UTF-8.
struct UTF8Step {
    enum Kind {
        case scalar
        /// Bytes that begin no character: `length` of them stand for one U+FFFD.
        case invalid
        /// The bytes end within a character that may still become valid.
        case incomplete
    }

    var kind: Kind
    /// The scalar, or U+FFFD.
    var scalar: UInt32
    var length: Int
}

enum UTF8Decoding {
    static let replacement: UInt32 = 0xFFFD

    /// Reads the character at `start` (which must be inside `bytes`). Ill-formed bytes are taken as maximal subparts
    /// (Unicode 16, section 3.9, as `from_utf8_lossy` of Rust and `errors="replace"` of Python do).
    @inline(__always)
    static func step(_ bytes: borrowing Span<UInt8>, at start: Int) -> UTF8Step {
        let lead = bytes[start]
        if lead < 0x80 { return UTF8Step(kind: .scalar, scalar: UInt32(lead), length: 1) }
        return multibyteStep(bytes, at: start, lead: lead)
    }

    private static func multibyteStep(_ bytes: borrowing Span<UInt8>, at start: Int, lead: UInt8) -> UTF8Step {
        let total: Int
        var lowest: UInt8 = 0x80
        var highest: UInt8 = 0xBF
        switch lead {
        case 0xC2...0xDF: total = 2
        case 0xE0...0xEF:
            total = 3
            if lead == 0xE0 { lowest = 0xA0 }
            if lead == 0xED { highest = 0x9F }
        case 0xF0...0xF4:
            total = 4
            if lead == 0xF0 { lowest = 0x90 }
            if lead == 0xF4 { highest = 0x8F }
        default: return UTF8Step(kind: .invalid, scalar: replacement, length: 1)
        }
        var scalar = UInt32(lead) & (0xFF >> UInt32(total + 1))
        for offset in 1..<total {
            guard start + offset < bytes.count else {
                return UTF8Step(kind: .incomplete, scalar: replacement, length: offset)
            }
            let byte = bytes[start + offset]
            guard byte >= lowest, byte <= highest else {
                return UTF8Step(kind: .invalid, scalar: replacement, length: offset)
            }
            lowest = 0x80
            highest = 0xBF
            scalar = scalar << 6 | UInt32(byte & 0x3F)
        }
        return UTF8Step(kind: .scalar, scalar: scalar, length: total)
    }

    /// Appends the scalar's UTF-8 bytes.
    static func append(_ scalar: UInt32, to bytes: inout [UInt8]) {
        switch scalar {
        case 0..<0x80: bytes.append(UInt8(scalar))
        case 0x80..<0x800:
            bytes.append(UInt8(0xC0 | scalar >> 6))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        case 0x800..<0x10000:
            bytes.append(UInt8(0xE0 | scalar >> 12))
            bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        default:
            bytes.append(UInt8(0xF0 | scalar >> 18 & 0x07))
            bytes.append(UInt8(0x80 | scalar >> 12 & 0x3F))
            bytes.append(UInt8(0x80 | scalar >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | scalar & 0x3F))
        }
    }
}
