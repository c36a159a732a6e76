import Scheduling

/// A token of the answer with its log-probabilities, and those of its bytes that were sent.
struct SentToken {
    let logprobs: TokenLogprobs
    let bytes: [UInt8]
}

/// Finds out which tokens the sent text is made of. The output contract leaves out white space before a reply and what
/// comes after a cut, so that the first and the last token may be there in part; all bytes together are the text.
struct SentTokens {
    /// Offsets in bytes of the decoded text.
    private struct Entry {
        let logprobs: TokenLogprobs
        let bytes: [UInt8]
        /// Where the first character that the token has a part of begins, and how many bytes of it came before.
        let start: Int
        let carried: Int
        /// Sent in whole once the text up to here is; within the character that the token leaves incomplete.
        let end: Int

        /// Its bytes in the sent part. Only of well-formed text is the place of a byte known.
        func bytes(in sent: Range<Int>) -> [UInt8] {
            let first = max(0, sent.lowerBound - start - carried)
            let last = end <= sent.upperBound ? bytes.count : max(0, sent.upperBound - start - carried)
            guard first < last, last <= bytes.count else { return bytes }
            return Array(bytes[first..<last])
        }
    }

    /// Not sent yet; at most the tokens of one reply.
    private var waiting: [Entry] = []
    private var decoded = 0
    private var carried = 0

    /// - Parameters:
    ///   - text: what the decoder gave for the token.
    ///   - incompleteBytes: what it holds back after it.
    mutating func append(_ logprobs: TokenLogprobs, bytes: [UInt8], text: String, incompleteBytes: Int) {
        let start = decoded
        decoded += text.utf8.count
        let end = decoded + min(1, incompleteBytes)
        waiting.append(Entry(logprobs: logprobs, bytes: bytes, start: start, carried: carried, end: end))
        carried = incompleteBytes
    }

    /// Takes out what lies in the sent part of the decoded text; at its end, also a token that was cut.
    mutating func take(upTo sent: Range<Int>, isEnd: Bool) -> [SentToken] {
        guard !sent.isEmpty else { return [] }
        let count = waiting.prefix { $0.end <= sent.upperBound || (isEnd && $0.start < sent.upperBound) }.count
        defer { waiting.removeFirst(isEnd ? waiting.count : count) }
        return waiting[..<count].filter { $0.end > sent.lowerBound }.map {
            SentToken(logprobs: $0.logprobs, bytes: $0.bytes(in: sent))
        }
    }
}
