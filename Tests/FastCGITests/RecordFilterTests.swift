import Testing

@testable import FastCGI

@Suite struct RecordFilterTests {
    /// Feeds the bytes in pieces of a size and returns the filter.
    func filtered(_ bytes: [UInt8], pieces: Int) throws(RecordError) -> RecordFilter {
        var filter = RecordFilter()
        var position = 0
        while position < bytes.count {
            let piece = Array(bytes[position..<min(position + pieces, bytes.count)])
            let result = piece.withUnsafeBytes { buffer in
                Result { () throws(RecordError) in try filter.consume(buffer) }
            }
            try result.get()
            position += pieces
        }
        return filter
    }

    @Test(arguments: [1, 3, 8, 100_000])
    func followsARequestInPieces(pieces: Int) throws {
        let value = String(repeating: "v", count: 300)
        let filter = try filtered(
            Records.request([("A", "B"), ("LONG", value), ("", "")], body: [UInt8](repeating: 1, count: 70_000)),
            pieces: pieces
        )
        #expect(filter.phase == .ended)
        #expect(filter.bodyBytes == 70_000)
    }

    @Test(arguments: [1, 100_000])
    func pairsMayCrossRecords(pieces: Int) throws {
        let pairs = Records.pair("NAME", String(repeating: "v", count: 200)) + Records.pair("X", "Y")
        let filter = try filtered(Records.begin() + Records.stream(4, pairs, chunk: 3, padding: 5), pieces: pieces)
        #expect(filter.phase == .body)
    }

    @Test func ignoresBytesBehindTheEnd() throws {
        #expect(try filtered(Records.request([]) + [9, 9, 9], pieces: 100).phase == .ended)
    }

    @Test func saysWhatIsWrong() {
        #expect(throws: RecordError.role(2)) { try filtered(Records.begin(role: 2), pieces: 1) }
        #expect(throws: RecordError.version(71)) { try filtered(Array("GET / HTTP".utf8), pieces: 1) }
        #expect(throws: RecordError.unexpectedRecord(type: 9)) { try filtered(Records.record(9, id: 0), pieces: 1) }
        #expect(throws: RecordError.lengthTooLong(limit: 65_536)) {
            try filtered(Records.begin() + Records.record(4, [0xff, 0xff, 0xff, 0xff]), pieces: 1)
        }
        #expect(throws: RecordError.truncatedParameters) {
            try filtered(Records.begin() + Records.stream(4, [1, 1, 65]), pieces: 1)
        }
    }
}
