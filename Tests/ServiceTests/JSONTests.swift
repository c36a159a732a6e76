import Testing

@testable import Service

@Suite struct JSONTests {
    func parse(_ text: String) throws(JSONError) -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test(arguments: [
        #"{"a":[1,-2.5,true,false,null,"x"],"b":{}}"#, "[]", #""""#, "0", "-7", "[[[]]]", #"{"a":{"b":[{}]}}"#,
        #""tab\tquote\"back\\slash\n""#, #""\u0001""#, #""正面😀""#,
    ])
    func writesWhatItReads(text: String) throws {
        #expect(String(decoding: try parse(text).encoded, as: UTF8.self) == text)
    }

    @Test func readsEscapesAndNumbers() throws {
        #expect(try parse(#""\u6b63\ud83d\ude00\/\b\f""#) == .string("正😀/\u{8}\u{c}"))
        #expect(try parse(" [1e2, 1E-2 ,0.5,-0] ") == [.number(100), .number(0.01), .number(0.5), 0])
        #expect(try parse("1000000000000000000000000000000") == .number(1e30))
        // Canonically equal, yet two names.
        #expect(try parse("{\"e\u{301}\":1,\"é\":2}")["a"] == nil)
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.", ".5", "+1", "1e", "-",
        "tru", "nul", "'a'", "\"a", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
        "\"\n\"",
        "1 2", "{\"a\":1,\"a\":2}", "1e999", "NaN", "[1}", "// x",
    ])
    func refuses(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test(arguments: [
        [0x22, 0xff, 0x22], [0x22, 0xc0, 0xaf, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xef, 0xbb, 0xbf, 0x31],
    ])
    func refusesInvalidUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
    }

    @Test(arguments: ["[", "{\"a\":", "[{\"a\":"])
    func refusesDeepNestingWithoutRecursing(opening: String) throws {
        let error = #expect(throws: JSONError.self) { try parse(String(repeating: opening, count: 60_000)) }
        #expect(try #require(error).description.contains("nested deeper than 64 levels"))
    }

    @Test func boundsTheNumberOfValues() throws {
        let fits = "[" + Array(repeating: "0", count: JSONParser.maxValues - 1).joined(separator: ",") + "]"
        _ = try parse(fits)
        #expect(throws: JSONError.self) { try parse(fits.dropLast() + ",0]") }
    }

    @Test func writesOnlyValidJSON() {
        let value: JSONValue = [
            "nan": .number(.nan), "infinity": .number(.infinity), "del": "\u{7f}", "line": "\u{2028}",
        ]
        let text = String(decoding: value.encoded, as: UTF8.self)
        #expect(text == "{\"nan\":null,\"infinity\":null,\"del\":\"\\u007f\",\"line\":\"\u{2028}\"}")
    }
}
