import Logging
import Testing

@testable import Service

@Suite struct JSONLogHandlerTests {
    @Test func writesOneObjectALine() throws {
        let bytes = JSONLogHandler.line(
            time: WallClock.timestamp(),
            level: .info,
            message: "a\nb",
            metadata: [
                "status": .stringConvertible(200), "seconds": .stringConvertible(0.25), "role": "chat", "id": "12e4",
                "requests": .stringConvertible(UInt64(7)), "most": .stringConvertible(UInt64.max),
            ]
        )
        #expect(bytes.last == UInt8(ascii: "\n"))
        #expect(!bytes.dropLast().contains(UInt8(ascii: "\n")))
        let line = try JSONParser.parse(bytes)
        #expect(line["level"] == "info")
        #expect(line["status"] == 200)
        #expect(line["seconds"] == .number(0.25))
        #expect(line["requests"] == 7)
        #expect(line["most"] == .integer(.max))
        #expect(line["role"] == "chat")
        #expect(line["id"] == "12e4")
    }

    @Test func timestampsAreUTC() throws {
        let time = WallClock.timestamp()
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
    }

    @Test(arguments: [
        ("0123456789abcdef", true), ("a-b_c-1234", true), ("short", false), ("with space 1", false),
        ("line\nbreak1", false), (String(repeating: "a", count: 65), false), ("正面正面正面", false),
    ])
    func takesWellFormedRequestIDsOnly(given: String, isTaken: Bool) {
        let id = Identifier.request(given)
        #expect((id == given) == isTaken)
        #expect(!id.contains { $0.isNewline })
    }
}
