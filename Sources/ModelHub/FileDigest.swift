import ModelFiles

/// What a hub says a file's content is, and the name it goes by.
enum FileDigest: Equatable, Sendable {
    /// Of the content: a file in Git LFS, and every file of ModelScope.
    case sha256(String)
    /// Git's name of a blob: SHA-1 of a header with the size and the content.
    case gitBlob(String)

    /// By the number of hexadecimal digits, 64 or 40; nil for anything else.
    init?(hex: String) {
        let digits = hex.lowercased()
        guard digits.utf8.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        switch digits.utf8.count {
        case 64: self = .sha256(digits)
        case 40: self = .gitBlob(digits)
        default: return nil
        }
    }

    var hex: String {
        switch self {
        case .sha256(let hex), .gitBlob(let hex): hex
        }
    }

    var name: String {
        switch self {
        case .sha256: "SHA-256"
        case .gitBlob: "git SHA-1"
        }
    }

    /// The hash of a content of `size` bytes, before its first byte.
    func hash(size: Int) -> SecureHash {
        switch self {
        case .sha256: return SecureHash(.sha256)
        case .gitBlob:
            var hash = SecureHash(.sha1)
            hash.add(Array("blob \(size)\0".utf8))
            return hash
        }
    }

    func isDifferent(from other: FileDigest) -> Bool {
        switch (self, other) {
        case (.sha256(let a), .sha256(let b)), (.gitBlob(let a), .gitBlob(let b)): a != b
        default: false  // of different kinds, which tells nothing
        }
    }
}

/// A file in the root folder of a repository.
struct RemoteFile: Equatable, Sendable {
    let name: String
    /// Bytes of the content.
    let size: Int
    let digest: FileDigest?

    /// Whether the name can stand in a folder of ours: letters, digits, `-._`, at most 128, none of them a leading dot.
    static func isPlain(_ name: String) -> Bool {
        (1...128).contains(name.utf8.count) && !name.hasPrefix(".")
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "-._".utf8.contains(byte)
                }
            }
    }
}
