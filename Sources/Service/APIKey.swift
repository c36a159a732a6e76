import ModelFiles

/// Who may use the API: what the file of keys says of one. The key itself is known to its holder alone.
///
/// A key is 256 random bits, so that its plain hash tells nothing: there is nothing to guess, and no need to make hashing slow.
package struct APIKey: Sendable, Equatable {
    package static let rates = 1...100_000
    private static let prefix = "qk-"
    private static let randomBytes = 32

    /// `[a-z0-9_-]{1,24}`; in logs.
    package let name: String
    /// SHA-256 of the key.
    package let digest: [UInt8]
    /// Requests a minute; as many may come at once after a minute of rest.
    package let rate: Int
    /// nil: every role.
    package let roles: [String]?

    package init(name: String, digest: [UInt8], rate: Int, roles: [String]?) {
        self.name = name
        self.digest = digest
        self.rate = rate
        self.roles = roles
    }

    /// A new key and its entry.
    package static func make(name: String, rate: Int, roles: [String]?) -> (secret: String, key: APIKey) {
        var generator = SystemRandomNumberGenerator()  // getrandom(2)
        let secret =
            prefix + SecureHash.hex((0..<randomBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
        return (secret, APIKey(name: name, digest: SecureHash.sha256(secret.utf8), rate: rate, roles: roles))
    }

    package static func isValidName(_ name: String) -> Bool {
        (1...24).contains(name.utf8.count)
            && name.utf8.allSatisfy {
                ("a"..."z").contains(Unicode.Scalar($0)) || ("0"..."9").contains(Unicode.Scalar($0)) || $0 == 0x2D
                    || $0 == 0x5F
            }
    }

    /// Takes the same time wherever the first difference is.
    func matches(_ other: [UInt8]) -> Bool {
        guard digest.count == other.count else { return false }
        return zip(digest, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
