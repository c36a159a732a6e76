/// An http or https URL (RFC 3986), as far as a download needs one.
struct WebAddress: Equatable, CustomStringConvertible {
    static let maxBytes = 8192

    let scheme: String
    /// Host and port, in lower case; never a user or password.
    let authority: String
    /// From the first `/`, with the query.
    let path: String

    var origin: String { "\(scheme)://\(authority)" }
    var description: String { origin + path }

    /// nil for anything but a plain http or https URL.
    init?(_ text: String) {
        guard text.utf8.count <= Self.maxBytes, text.utf8.allSatisfy(Self.isAllowed),
            let schemeEnd = text.firstRange(of: "://")
        else { return nil }
        scheme = text[..<schemeEnd.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { return nil }
        let rest = text[schemeEnd.upperBound...].prefix { $0 != "#" }
        authority = rest.prefix { $0 != "/" && $0 != "?" }.lowercased()
        guard !authority.isEmpty, authority.utf8.allSatisfy(Self.isAuthority) else { return nil }
        let tail = rest.dropFirst(authority.count)
        path = tail.hasPrefix("/") ? String(tail) : "/" + tail
    }

    /// Where a redirect leads; nil where it must not be followed: to another scheme than http and https, from https to http, or
    /// to what is no URL.
    func redirected(to location: String) -> WebAddress? {
        let absolute =
            location.hasPrefix("//")
            ? "\(scheme):\(location)" : location.hasPrefix("/") ? origin + location : location
        guard let target = WebAddress(absolute), scheme == "http" || target.scheme == "https" else { return nil }
        return target
    }

    /// Whether what is sent there cannot be read on the way: by TLS, or because it stays on this machine.
    var isPrivate: Bool {
        guard scheme == "http" else { return true }
        let host = authority.hasPrefix("[") ? authority.prefix { $0 != "]" } + "]" : authority.prefix { $0 != ":" }
        if host == "localhost" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Everything but letters, digits and `-._~` as %XX.
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            if isUnreserved(byte) {
                bytes.append(byte)
            } else {
                bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~".utf8.contains(byte)
        }
    }

    private static func isAuthority(_ byte: UInt8) -> Bool {
        isUnreserved(byte) || ":[]".utf8.contains(byte)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
