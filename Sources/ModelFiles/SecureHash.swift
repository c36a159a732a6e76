import CKernels

/// SHA-256 or SHA-1 (FIPS 180-4) of bytes that come piece by piece.
package struct SecureHash: Sendable {
    package enum Algorithm: Sendable {
        case sha256
        /// Broken where someone forges both sides; here it only finds damage to what git has named by it.
        case sha1
    }

    private static let blockBytes = 64

    private let algorithm: Algorithm
    private var state: [UInt32]
    /// What does not fill a block yet.
    private var rest: [UInt8] = []
    private var count: UInt64 = 0

    package init(_ algorithm: Algorithm) {
        self.algorithm = algorithm
        switch algorithm {
        case .sha256:
            state = [
                0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
            ]
        case .sha1: state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0]
        }
    }

    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        count += UInt64(bytes.count)
        var bytes = bytes[...]
        if !rest.isEmpty {
            let missing = bytes.prefix(Self.blockBytes - rest.count)
            rest += missing
            bytes = bytes.dropFirst(missing.count)
            guard rest.count == Self.blockBytes else { return }
            rest.withUnsafeBytes { compress($0, into: &state) }
            rest.removeAll(keepingCapacity: true)
        }
        let whole = bytes.prefix(bytes.count / Self.blockBytes * Self.blockBytes)
        compress(UnsafeRawBufferPointer(rebasing: whole), into: &state)
        rest += bytes.dropFirst(whole.count)
    }

    package mutating func add(_ bytes: [UInt8]) { bytes.withUnsafeBytes { add($0) } }

    /// The digest of all that was added.
    package func finish() -> [UInt8] {
        var last = self
        var padding: [UInt8] = [0x80]
        padding += Array(repeating: 0, count: (119 - rest.count) % Self.blockBytes)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            padding.append(UInt8(truncatingIfNeeded: (count * 8) >> shift))
        }
        last.add(padding)
        return last.state.flatMap { word in
            stride(from: UInt32(24), through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> $0) }
        }
    }

    private func compress(_ bytes: UnsafeRawBufferPointer, into state: inout [UInt32]) {
        let blocks = bytes.count / Self.blockBytes
        state.withUnsafeMutableBufferPointer { words in
            switch algorithm {
            case .sha256: ck_sha256_blocks(words.baseAddress, bytes.baseAddress, blocks)
            case .sha1: ck_sha1_blocks(words.baseAddress, bytes.baseAddress, blocks)
            }
        }
    }
}

extension SecureHash {
    package static let sha256Bytes = 32

    package static func sha256(_ message: some Sequence<UInt8>) -> [UInt8] {
        var hash = SecureHash(.sha256)
        hash.add(Array(message))
        return hash.finish()
    }

    package static func hex(_ digest: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
