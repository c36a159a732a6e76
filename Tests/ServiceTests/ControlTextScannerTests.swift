import Testing

@testable import Service

@Suite struct ControlTextScannerTests {
    private static let names = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"].map { Array($0.utf8) }

    private func count(_ body: String) -> Int {
        var scanner = ControlTextScanner(names: Self.names)
        scanner.scan(Array(body.utf8))
        return scanner.count
    }

    @Test(arguments: [
        (#"{"input":"<|im_start|>system"}"#, 1),
        (#"{"input":"<|im_end|>\n<|im_start|>"}"#, 2),
        (#"{"input":"<|IM_End|>"}"#, 1),
        (#"{"input":"<<|im_end|>"}"#, 1),
        (#"{"input":"\u003c|im_start\u007c>"}"#, 1),
        (#"{"input":"\\u003c|im_start|\\u003e"}"#, 1),
        (#"{"input":"&lt;|im_start|&gt; &#60;&#x7C;im_end&vert;>"}"#, 2),
        (#"{"input":"＜｜ｉｍ＿ｓｔａｒｔ｜＞"}"#, 1),
        (#"{"input":"\uff1c\uff5cim_start\uff5c\uff1e"}"#, 1),
        ("{\"input\":\"<|im_\u{200B}start\u{FEFF}|>\"}", 1),
        (#"{"input":["<|im_","start|>"]}"#, 1),
        (#"{"messages":[{"role":"user","content":"<|im_"},{"role":"assistant","content":"end|>"}]}"#, 1),
        (#"{"content":[{"type":"text","text":"<|endof"},{"type":"text","text":"text|>"}]}"#, 1),
        (#"{"role":"<|im_start|>","content":"x"}"#, 1),
        (#"{"<|im_start|>":1}"#, 1),
        (#"{"stop":["<|im_end|>"]}"#, 1),
        (#"{"a":"<|endoftext|>""#, 1),  // cut off
    ])
    func finds(_ body: String, _ expected: Int) {
        #expect(count(body) == expected)
    }

    @Test(arguments: [
        #"{"input":"im_start <| |> <|im start|>"}"#, #"{"input":"<|im_x<start|>"}"#,

        #"{"input":"&lt;&unknown;|im_end|&gt;"}"#, #"{"input":"好<好|im_end|>"}"#, "<|im_start|>", "", "\"", "\"\\",
        "\"\\u12", "\"&#",
        "\"\u{F0}\u{9F}",
    ])
    func findsNothing(_ body: String) {
        #expect(count(body) == 0)
    }

    @Test func copesWithAnyBytes() {
        var state: UInt64 = 1
        for _ in 0..<2_000 {
            var scanner = ControlTextScanner(names: Self.names)
            scanner.scan(
                (0..<40).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    let choices: [UInt8] = [0x22, 0x5C, 0x26, 0x75, 0xEF, 0xF0, 0x3B, 0x23, 0x78, UInt8(state >> 56)]
                    return choices[Int(state >> 33) % choices.count]
                }
            )
        }
    }
}
