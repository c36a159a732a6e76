import Testing

@testable import Tokenization

struct JSONScannerTests {
    private func value(_ text: String) throws -> JSONValue {
        var scanner = JSONScanner(Array(text.utf8), path: "x.json")
        let value = try scanner.value()
        try scanner.finish()
        return value
    }

    @Test func values() throws {
        let json = try value(#" {"a": [1, -2.5e3, true, false, null, {}], "b": "x", "a\u0301": []} "#)
        #expect(json["a"] == .array([.number("1"), .number("-2.5e3"), .bool(true), .bool(false), .null, .object([])]))
        #expect(json["b"]?.string == "x")
        #expect(json["\u{E1}"] == nil)
        #expect(json["a\u{301}"] == .array([]))
        #expect(json["a"]?.elements?.first?.integer == 1)
    }

    @Test func escapes() throws {
        let json = try value(#""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\ud800x\udc00\ud800\u0041""#)
        #expect(json.string == "\"\\/\u{8}\u{C}\n\r\té😀\u{FFFD}x\u{FFFD}\u{FFFD}A")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "{1:2}", "[1 2]", "\"abc", "\"\\x\"", "\"\\u12g4\"", "tru", "nul",
        "1 2",
        "\"a\nb\"", "]", String(repeating: "[", count: 100), "{\"a\":}", "\"\\",
    ])
    func malformedTextIsAnError(_ text: String) {
        #expect(throws: TokenizerError.self) { try value(text) }
    }

    @Test func errorsNameFileAndPlace() {
        let error = #expect(throws: TokenizerError.self) { try value("[1 2]") }
        #expect(error?.description == "x.json: not JSON at byte 3: expected ,")
    }
}
