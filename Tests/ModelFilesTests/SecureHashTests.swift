import ModelFiles
import Testing

@Suite struct SecureHashTests {
    /// FIPS 180-4's examples, and the lengths around a block's end (from coreutils' sha256sum).
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func agreesWithTheStandard(text: String, digest: String) {
        #expect(SecureHash.hex(SecureHash.sha256(text.utf8)) == digest)
    }

    @Test(arguments: [
        (55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
        (56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"),
        (63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"),
        (64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
        (65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"),
        (119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"),
        (120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"),
        (1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"),
    ])
    func padsEveryLength(count: Int, digest: String) {
        #expect(SecureHash.hex(SecureHash.sha256(Array(repeating: UInt8(ascii: "a"), count: count))) == digest)
    }

    /// FIPS 180-4's examples, the empty text, and git's name of a blob.
    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        ("blob 6\0hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ])
    func hashesAsGitDoes(text: String, digest: String) {
        var hash = SecureHash(.sha1)
        hash.add(Array(text.utf8))
        #expect(SecureHash.hex(hash.finish()) == digest)
    }

    @Test(arguments: [SecureHash.Algorithm.sha256, .sha1]) func piecesMakeNoDifference(algorithm: SecureHash.Algorithm)
    {
        let bytes = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var whole = SecureHash(algorithm)
        whole.add(bytes)
        for step in [1, 3, 63, 64, 65, 200] {
            var parts = SecureHash(algorithm)
            for start in stride(from: 0, to: bytes.count, by: step) { parts.add(Array(bytes[start...].prefix(step))) }
            #expect(parts.finish() == whole.finish())
        }
    }
}
