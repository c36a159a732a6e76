import ModelFiles
import Roles
import Scheduling
import Testing

@testable import Service

/// Replies of byte tokens and of tokens of several characters, through the output contract.
@Suite struct SentTokensTests {
    /// Feeds a text cut into tokens at the given byte offsets; returns what was sent with each token, and at the end.
    private func run(
        _ tokens: [[UInt8]],
        maxCharacters: Int,
        modelEnded: Bool = true
    ) -> (text: String, tokens: [SentToken]) {
        var reply = Pieces(maxCharacters: maxCharacters)
        for (index, bytes) in tokens.enumerated() where !reply.isComplete { reply.append(index, bytes) }
        reply.finish(modelEnded: modelEnded)
        return (reply.text, reply.tokens)
    }

    private func tokens(_ text: String, cutAt offsets: [Int]) -> [[UInt8]] {
        let bytes = Array(text.utf8)
        let ends = offsets.filter { $0 > 0 && $0 < bytes.count } + [bytes.count]
        return zip([0] + ends, ends).map { Array(bytes[$0..<$1]) }
    }

    @Test func allBytesTogetherAreTheText() {
        let text = "  \n你好呀！今天怎么样👨‍👩‍👧？这一句太长了，放不下的，真的放不下。"
        let count = text.utf8.count
        for seed in 0..<300 {
            var offset = 0
            var offsets: [Int] = []
            while offset < count {
                offset += 1 + (seed * 7 + offset * 13) % 9
                offsets.append(offset)
            }
            let limit = 3 + seed % 24
            let (sent, tokens) = run(tokens(text, cutAt: offsets), maxCharacters: limit, modelEnded: seed % 2 == 0)
            let isCut = sent.hasSuffix("…")
            let joined = String(decoding: tokens.flatMap(\.bytes), as: UTF8.self)
            #expect(joined + (isCut ? "…" : "") == sent)
            #expect(tokens.allSatisfy { !$0.bytes.isEmpty })
            // In order, without a gap.
            let indices = tokens.map { Int($0.logprobs.chosen.token) }
            #expect(zip(indices, indices.dropFirst()).allSatisfy { $1 == $0 + 1 })
        }
    }

    @Test func aTokenGoesOutWithTheTextThatCompletesIt() {
        var reply = Pieces(maxCharacters: 60)
        reply.append(0, Array("你".utf8))
        #expect(reply.tokens.isEmpty)  // the last character is held back
        reply.append(1, Array("好".utf8))
        #expect(reply.tokens.map(\.bytes) == [Array("你".utf8)])
        reply.append(2, Array("吗".utf8.prefix(1)))
        reply.append(3, Array("吗".utf8.dropFirst()))
        #expect(reply.tokens.count == 2)
        reply.finish(modelEnded: true)
        #expect(reply.tokens.map(\.bytes.count) == [3, 3, 1, 2])
    }

    @Test func aCutTokenShowsWhatWasSentOfIt() {
        let (text, tokens) = run(["一二三".utf8, "四五六".utf8].map(Array.init), maxCharacters: 5)
        #expect(text == "一二三四…")
        #expect(tokens.map { String(decoding: $0.bytes, as: UTF8.self) } == ["一二三", "四"])
    }

    @Test func bytesThatAreNoTextKeepTheirPlace() {
        let (text, tokens) = run([[0xE4], Array("好".utf8), [0xFF], Array("。".utf8)], maxCharacters: 60)
        #expect(text == "\u{FFFD}好\u{FFFD}。")
        #expect(String(decoding: tokens.flatMap(\.bytes), as: UTF8.self) == text)
    }

    /// As `ReplyAssembler` does it, with tokens that need no tokenizer.
    private struct Pieces {
        private var shaper: ReplyShaper
        private var sent = SentTokens()
        private var pending: [UInt8] = []
        private(set) var text = ""
        private(set) var tokens: [SentToken] = []

        init(maxCharacters: Int) { shaper = ReplyShaper(maxCharacters: maxCharacters) }

        var isComplete: Bool { shaper.isComplete }

        mutating func append(_ index: Int, _ bytes: [UInt8]) {
            pending += bytes
            var rest = pending
            var piece = String(decoding: rest, as: UTF8.self)
            // At most three bytes of a character wait; those that can't become one don't.
            for count in 1...3 where count <= pending.count {
                let tail = pending.suffix(count)
                guard let lead = tail.first, lead >= 0xC2 else { continue }
                let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
                guard tail.dropFirst().allSatisfy({ $0 & 0xC0 == 0x80 }), count < length, lead < 0xF5 else { continue }
                rest.removeLast(count)
                piece = String(decoding: rest, as: UTF8.self)
                break
            }
            pending.removeFirst(rest.count)
            let entry = TokenLogprobs.Entry(token: TokenID(index), logprob: -1)
            let logprobs = TokenLogprobs(chosen: entry, top: [])
            sent.append(logprobs, bytes: bytes, text: piece, incompleteBytes: pending.count)
            text += shaper.append(piece)
            tokens += sent.take(upTo: shaper.source, isEnd: false)
        }

        mutating func finish(modelEnded: Bool) {
            text += shaper.append(String(decoding: pending, as: UTF8.self))
            text += shaper.finish(modelEnded: modelEnded).rest
            tokens += sent.take(upTo: shaper.source, isEnd: true)
        }
    }
}
