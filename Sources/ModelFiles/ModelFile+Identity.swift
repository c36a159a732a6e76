extension ModelFile {
    /// Tells models apart, however they are named: 16 hexadecimal digits over all tensors' names, types and shapes and a
    /// sample of each one's bytes. Made to notice another model, not to resist attacks.
    package var identity: String {
        var digest = Digest()
        for name in tensors.keys.sorted() {
            guard let view = tensors[name] else { continue }
            digest.add("\(name) \(view.type) \(view.shape)".utf8)
            let last = max(0, view.bytes.count - Self.sampleBytes)
            for start in [0, last / 2, last] { digest.add(view.bytes[start...].prefix(Self.sampleBytes)) }
        }
        return digest.text
    }

    private static let sampleBytes = 1024
}

/// FNV-1a, 64 bits.
package struct Digest: Sendable {
    package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    package init() {}

    package mutating func add(_ bytes: some Sequence<UInt8>) {
        for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    }

    /// 16 hexadecimal digits.
    package var text: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
