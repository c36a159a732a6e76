import Testing

@testable import ModelHub

@Suite struct ResponseHeadTests {
    private func parse(_ lines: String...) -> ResponseHead? {
        ResponseHead((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    @Test func readsStatusAndFields() throws {
        let head = try #require(
            parse("HTTP/2 206", "Content-Range: bytes 5-9/10", "X-Empty:", "no field", "retry-after:  7\t")
        )
        #expect(head.status == 206)
        #expect(head.contentRange?.start == 5 && head.contentRange?.total == 10)
        #expect(head["x-empty"] == "" && head["no field"] == nil)
        #expect(head.retryAfter(limit: 60) == 7 && head.retryAfter(limit: 3) == 3)
    }

    @Test(arguments: ["", "HTTP/1.1", "HTTP/1.1 x", "HTTP/1.1 99 x", "HTTP/1.1 999", "GET / HTTP/1.1", "FTP 200"])
    func refusesWhatIsNoStatusLine(line: String) { #expect(parse(line) == nil) }

    @Test(arguments: ["bytes */10", "items 0-1/2", "bytes 0-1", "bytes x-1/2", "bytes -5-9/10", "", "bytes /"])
    func refusesOtherRanges(value: String) throws {
        #expect(try #require(parse("HTTP/1.1 206 Partial Content", "Content-Range: \(value)")).contentRange == nil)
    }

    @Test func aTotalMayBeUnknown() throws {
        let range = try #require(parse("HTTP/1.1 206 Partial Content", "Content-Range: bytes 5-9/*")?.contentRange)
        #expect(range.start == 5 && range.total == nil)
    }

    @Test func findsTheNextPage() throws {
        let link = "Link: <https://h/a?b=1>; rel=\"prev\", <https://h/a?b=3>; rel=\"next\""
        #expect(parse("HTTP/1.1 200 OK", link)?.nextPage == "https://h/a?b=3")
        #expect(parse("HTTP/1.1 200 OK", "Link: <https://h/a>; rel=\"prev\"")?.nextPage == nil)
        #expect(parse("HTTP/1.1 200 OK", "Link: >x<; rel=\"next\"")?.nextPage == nil)
    }

    @Test func readsAnnouncedDigests() throws {
        let long = String(repeating: "0a", count: 32)
        let short = String(repeating: "0a", count: 20)
        func digest(_ fields: String...) -> FileDigest? {
            ResponseHead("HTTP/1.1 302 Found\r\n\(fields.joined(separator: "\r\n"))\r\n\r\n".utf8)?.announcedDigest
        }
        #expect(digest("ETag: \"\(short)\"", "X-Linked-Etag: \"\(long)\"") == .sha256(long))
        #expect(digest("ETag: W/\"\(short)\"") == .gitBlob(short))
        #expect(digest("ETag: \"\(long.dropLast())\"") == nil)
        #expect(digest("ETag: \"\(long.dropLast())x\"") == nil)
    }
}
