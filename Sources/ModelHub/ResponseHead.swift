/// The status line and header fields of an HTTP response.
struct ResponseHead: Equatable {
    static let maxBytes = 65_536

    let status: Int
    /// Names in lower case.
    let fields: [(name: String, value: String)]

    /// nil if the first line is no status line. bytes: without the blank line at the end.
    init?(_ bytes: some Collection<UInt8>) {
        let lines = String(decoding: bytes, as: UTF8.self).split { $0 == "\r\n" || $0 == "\n" }
        guard let first = lines.first, first.hasPrefix("HTTP/") else { return nil }
        let words = first.split(separator: " ")
        guard words.count >= 2, let status = Int(words[1]), (100...599).contains(status) else { return nil }
        self.status = status
        fields = lines.dropFirst().compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return (line[..<colon].lowercased(), line[line.index(after: colon)...].trimmed)
        }
    }

    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// The first and the total byte count of `Content-Range: bytes 5-9/10`.
    var contentRange: (start: Int, total: Int?)? {
        guard let value = self["content-range"], value.hasPrefix("bytes ") else { return nil }
        let parts = value.dropFirst(6).split(separator: "/")
        guard parts.count == 2, let start = Int(parts[0].prefix { $0 != "-" }) else {
            return nil
        }
        return (start, Int(parts[1]))
    }

    /// The URL of `Link: <…>; rel="next"`.
    var nextPage: String? {
        for value in fields where value.name == "link" {
            for link in value.value.split(separator: ",") where link.contains("rel=\"next\"") {
                guard let open = link.firstIndex(of: "<"), let close = link.firstIndex(of: ">"), open < close else {
                    continue
                }
                return String(link[link.index(after: open)..<close])
            }
        }
        return nil
    }

    /// Seconds that the server asks to wait, at most `limit`.
    func retryAfter(limit: Int) -> Int? {
        self["retry-after"].flatMap { Int($0) }.map { min(max($0, 0), limit) }
    }

    /// What the hub says of the content: the SHA-256 of a file in LFS, or git's name of a small one.
    var announcedDigest: FileDigest? {
        (self["x-linked-etag"] ?? self["etag"]).flatMap { value in
            FileDigest(hex: String(value.drop { "W/\"".contains($0) }.prefix { $0 != "\"" }))
        }
    }

    static func == (left: ResponseHead, right: ResponseHead) -> Bool {
        left.status == right.status && left.fields.elementsEqual(right.fields) { $0 == $1 }
    }
}

extension Substring {
    fileprivate var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
