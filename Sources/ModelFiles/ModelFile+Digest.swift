import CKernels

/// Fingerprints, to tell a damaged file from the one that was there before.
extension ModelFile {
    /// What the file is apart from values: its size, and each tensor's name, type and shape.
    package var layoutDigest: UInt64 {
        let text = tensorNames.compactMap { tensors[$0] }.map { "\($0.name) \($0.type.name) \($0.shape)\n" }
        return digest(Array("\(fileBytes)\n\(text.joined())".utf8))
    }

    /// One for each tensor's bytes and, as `metadata`, one for what stands before the tensors. Reads everything; pages are
    /// given back on the way.
    package func contentDigests() -> [String: UInt64] {
        var digests = tensors.mapValues { digest($0.bytes) }
        digests["metadata"] = heads.reduce(0) { digest($1, after: $0) }
        return digests
    }

    private func digest(_ bytes: UnsafeRawBufferPointer, after seed: UInt64 = 0) -> UInt64 {
        let part = 8 << 20
        var result = seed
        for start in stride(from: 0, to: bytes.count, by: part) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + part, bytes.count)])
            result = ck_digest(result, piece.baseAddress, piece.count)
            releasePages(of: piece)
        }
        return result
    }

    private func digest(_ bytes: [UInt8]) -> UInt64 {
        bytes.withUnsafeBytes { ck_digest(0, $0.baseAddress, $0.count) }
    }
}
