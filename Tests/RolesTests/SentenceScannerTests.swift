import Testing

@testable import Roles

@Suite struct SentenceScannerTests {
    /// The text with `|` where the scanner ends a sentence.
    private func mark(_ text: String) -> String {
        var scanner = SentenceScanner()
        var result = ""
        for character in text {
            guard let first = character.unicodeScalars.first else { continue }
            if scanner.advance(first) { result += "|" }
            result.append(character)
        }
        return result + (scanner.isAtSentenceEnd ? "|" : "")
    }

    /// `|` stands where a sentence ends; what ends without it is incomplete.
    @Test(arguments: [
        // End marks, runs of them, closing marks and emoji after them.
        "你好。|今天好吗？|好！|", "真的？！|太好了！！！|嗯", "。。。|好", "嗯……|好的～|好~|走",
        "他说：“好。”|我说：「不！」|（真的？）|【对。】|走", "加油！💪🏻❤️|今天", "好耶！👨‍👩‍👧‍👦🇨🇳|走", "你好😊你呢？|",
        "你好！| 😊",
        // Digits.
        "3~5天就好。|", "3～5天", "大约3.5元，2.", "1. 多休息。|\n2. 喝水。|",
        // Full stops.
        "Hello.| World...| ok.)| yes.|", "e.g.好", "a.b.c", "好.😊| 走", "Is it?!| Yes.\u{2019}|\tGo",
        // Line breaks.
        "建议：|\n多喝水|\n\n睡觉", "一行|\r\n二行", "一|\u{2028}二", "  \n 好",
    ])
    func endsSentences(_ marked: String) {
        let text = marked.filter { $0 != "|" }
        #expect(mark(text) == marked)
    }
}
