import Glibc
import ModelFiles

/// The file of API keys: a line for each, with name, requests a minute, roles (separated by commas, or `*`) and the SHA-256 of
/// the key in hexadecimal. Empty lines and lines that begin with `#` count for nothing.
package struct KeyFile: Sendable, Equatable {
    package static let maxKeys = 1_000
    private static let maxBytes = 1 << 20
    private static let header =
        "# name  requests-a-minute  roles  sha256-of-the-key; edit with `qwen-all-in-one keys`\n"

    package private(set) var keys: [APIKey] = []

    package init() {}

    /// Throws a line that says what is wrong, where, and what is allowed there.
    package init(path: String) throws(ServiceError) {
        try self.init(text: try Self.read(path), path: path)
    }

    init(text: String, path: String) throws(ServiceError) {
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let fields = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = fields.first, !first.hasPrefix("#") else { continue }
            func error(_ message: String) -> ServiceError { ServiceError("\(path):\(index + 1): \(message)") }
            guard fields.count == 4 else {
                throw error("a line has four fields: name, requests a minute, roles, SHA-256 of the key")
            }
            guard APIKey.isValidName(first) else { throw error("a name must be 1 to 24 of a-z, 0-9, '_' and '-'") }
            guard let rate = Int(fields[1]), APIKey.rates.contains(rate) else {
                throw error("requests a minute must be from \(APIKey.rates.lowerBound) to \(APIKey.rates.upperBound)")
            }
            guard let roles = Self.roles(fields[2]) else {
                throw error("roles must be * or names of 1 to 32 of a-z, 0-9, '_' and '-', separated by commas")
            }
            guard let digest = Self.digest(fields[3]) else {
                throw error("the SHA-256 must be 64 hexadecimal digits; make keys with `qwen-all-in-one keys add`")
            }
            guard !keys.contains(where: { $0.name == first }) else { throw error("the name '\(first)' is there twice") }
            guard keys.count < Self.maxKeys else { throw error("more than \(Self.maxKeys) keys") }
            keys.append(APIKey(name: first, digest: digest, rate: rate, roles: roles.isEmpty ? nil : roles))
        }
    }

    /// Throws if the name is taken or there are too many.
    package mutating func add(_ key: APIKey) throws(ServiceError) {
        guard !keys.contains(where: { $0.name == key.name }) else {
            throw ServiceError("there is a key of the name '\(key.name)'; revoke it first, or choose another name")
        }
        guard keys.count < Self.maxKeys else {
            throw ServiceError("there are \(Self.maxKeys) keys, which is the limit")
        }
        keys.append(key)
    }

    /// Throws if there is none of the name.
    package mutating func revoke(_ name: String) throws(ServiceError) {
        guard keys.contains(where: { $0.name == name }) else {
            throw ServiceError("there is no key of the name '\(name)'")
        }
        keys.removeAll { $0.name == name }
    }

    var text: String {
        keys.reduce(Self.header) { text, key in
            let roles = key.roles?.joined(separator: ",") ?? "*"
            return text + "\(key.name) \(key.rate) \(roles) \(SecureHash.hex(key.digest))\n"
        }
    }

    /// Replaces the file as a whole, so that a reader never sees half of it. Everyone may read it: hashes of random keys tell
    /// nothing, and the service runs as a user of its own.
    package func write(to path: String) throws(ServiceError) {
        let draft = "\(path).new"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw Self.systemError(draft, "cannot write") }
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: written), $0.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            written += count
        }
        let isSafe = written == bytes.count && fchmod(descriptor, 0o644) == 0 && fsync(descriptor) == 0
        guard close(descriptor) == 0, isSafe, rename(draft, path) == 0 else {
            let error = Self.systemError(path, "cannot write")
            unlink(draft)
            throw error
        }
    }

    /// Empty: every role. nil: not valid.
    private static func roles(_ field: String) -> [String]? {
        if field == "*" { return [] }
        let names = field.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        return names.allSatisfy(isRoleName) ? names : nil
    }

    package static func isRoleName(_ name: String) -> Bool {
        name.utf8.count <= 32 && !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x5F
            }
    }

    private static func digest(_ field: String) -> [UInt8]? {
        let digits = Array(field.utf8)
        guard digits.count == 2 * SecureHash.sha256Bytes,
            digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit })
        else { return nil }
        return stride(from: 0, to: digits.count, by: 2).compactMap { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
        }
    }

    private static func read(_ path: String) throws(ServiceError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw systemError(path, "cannot open the file of keys") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: maxBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw systemError(path, "cannot read the file of keys") }
            if got == 0 { break }
            count += got
        }
        guard count <= maxBytes, let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw ServiceError("\(path): not a file of keys: it must be UTF-8 of at most \(maxBytes) bytes")
        }
        return text
    }

    private static func systemError(_ path: String, _ what: String) -> ServiceError {
        ServiceError("\(path): \(what): \(String(cString: strerror(errno)))")
    }
}
