/// GPT-2's byte-to-unicode alphabet, in which vocab.json, merges.txt, tokenizer.json and GGUF write tokens: printable
/// Latin-1 bytes stand for themselves, the others for U+0100 and up in order.
enum ByteAlphabet {
    /// (256): the scalar that stands for each byte.
    static let scalars: [UInt32] = {
        var shifted: UInt32 = 0x100
        return (0..<256).map { byte in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE { return UInt32(byte) }
            defer { shifted += 1 }
            return shifted
        }
    }()

    /// Indexed by scalar; -1 for scalars outside the alphabet.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 0x144)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    /// Appends the bytes that `text` (UTF-8 in the alphabet) stands for; false if it has a character outside of it.
    static func decode(_ text: borrowing Span<UInt8>, into output: inout [UInt8]) -> Bool {
        let bytes = bytes
        var position = 0
        while position < text.count {
            let step = UTF8Decoding.step(text, at: position)
            guard step.kind == .scalar, step.scalar < 0x144, bytes[Int(step.scalar)] >= 0 else { return false }
            output.append(UInt8(truncatingIfNeeded: bytes[Int(step.scalar)]))
            position += step.length
        }
        return true
    }

    /// The bytes written in the alphabet, as UTF-8.
    static func encode(_ bytes: borrowing Span<UInt8>, into output: inout [UInt8]) {
        for i in 0..<bytes.count { UTF8Decoding.append(scalars[Int(bytes[i])], to: &output) }
    }
}
