import ModelFiles

/// The tokens that a piece begins as, before any merge: one a byte by definition, or one a character where that is certain
/// to change nothing. Of Qwen's vocabulary this holds for nearly all Chinese characters, and spares two merges of three.
///
/// A character of two or three bytes may begin as one token if, whatever stands beside it, its bytes merge into that token
/// before anything else can happen to them. With m the highest rank of these merges, that is so if no merge up to m joins
///  - a token of another character with one of the tokens that the character's bytes pass through at its edges, or
///  - the character's own token with anything.
/// Merges with ASCII at the other side are looked at apart: many begin with a space and are in the way only there.
struct InitialTokens: Sendable {
    /// (256): the token of each byte.
    let bytes: [TokenID]
    /// By scalar up to U+FFFF: token << 2 | ASCII may precede << 1 | ASCII may follow; `none` where bytes are needed.
    private let characters: [Int32]

    private static let none: Int32 = -1

    /// The token of the character text[range], which lies within `piece`, or nil if its bytes have to be merged.
    @inline(__always)
    func character(_ scalar: UInt32, in text: borrowing Span<UInt8>, _ range: Range<Int>, piece: Range<Int>) -> TokenID?
    {
        guard scalar < characters.count else { return nil }
        let entry = characters[Int(scalar)]
        guard entry != Self.none else { return nil }
        if entry & 2 == 0, range.lowerBound > piece.lowerBound, text[range.lowerBound - 1] < 0x80 { return nil }
        if entry & 1 == 0, range.upperBound < piece.upperBound, text[range.upperBound] < 0x80 { return nil }
        return entry >> 2
    }

    init(bytes: [TokenID], vocabulary: Vocabulary, merges: MergeTable) {
        self.bytes = bytes
        let edges = Edges(vocabulary: vocabulary, merges: merges)
        var characters = [Int32](repeating: Self.none, count: 0x10000)
        for id in 0..<TokenID(vocabulary.idCount) where vocabulary.kind(id) == .normal {
            let content = vocabulary.content(id)
            guard (2...3).contains(content.count), content[content.startIndex] >= 0xC0 else { continue }
            let text = Array(content)
            let step = UTF8Decoding.step(text.span, at: 0)
            guard step.kind == .scalar, step.length == text.count, step.scalar < characters.count else { continue }
            guard let way = Way(text.map { bytes[Int($0)] }, merges), way.token == id else { continue }
            guard edges.allow(way, besideASCII: false, before: true, after: true) else { continue }
            let before: Int32 = edges.allow(way, besideASCII: true, before: true, after: false) ? 2 : 0
            let after: Int32 = edges.allow(way, besideASCII: true, before: false, after: true) ? 1 : 0
            characters[Int(step.scalar)] = id << 2 | before | after
        }
        self.characters = characters
    }
}

/// How the bytes of one character become one token when nothing stands beside them.
private struct Way {
    var token: TokenID
    /// The highest rank on the way.
    var rank: UInt32
    /// The tokens at the left and at the right edge before the last merge.
    var firsts: [TokenID]
    var lasts: [TokenID]

    /// nil if some bytes stay apart.
    init?(_ bytes: [TokenID], _ merges: MergeTable) {
        var symbols = bytes
        rank = 0
        firsts = []
        lasts = []
        while symbols.count > 1 {
            firsts.append(symbols[0])
            lasts.append(symbols[symbols.count - 1])
            let ranked = symbols.indices.dropLast().map { merges.merge(symbols[$0], symbols[$0 + 1]) }
            guard let best = ranked.min(), best != .none, let position = ranked.firstIndex(of: best) else { return nil }
            rank = max(rank, best.rank)
            symbols.replaceSubrange(position...position + 1, with: [best.merged])
        }
        token = symbols[0]
    }
}

/// For each token the lowest rank of a merge with it at one side, by what the token at the other side has at the border.
private struct Edges {
    /// Right sides: a left side that ends in ASCII, another one. Left sides: a right side that begins in ASCII, another one
    /// that begins a character.
    private var afterASCII: [UInt32]
    private var afterOther: [UInt32]
    private var beforeASCII: [UInt32]
    private var beforeOther: [UInt32]

    init(vocabulary: Vocabulary, merges: MergeTable) {
        let none = [UInt32](repeating: .max, count: vocabulary.idCount)
        var (afterASCII, afterOther, beforeASCII, beforeOther) = (none, none, none, none)
        merges.forEach { left, right, merge in
            let border = (vocabulary.content(left).last ?? 0, vocabulary.content(right).first ?? 0)
            let (l, r, rank) = (Int(left), Int(right), merge.rank)
            if border.0 < 0x80 {
                afterASCII[r] = min(afterASCII[r], rank)
            } else {
                afterOther[r] = min(afterOther[r], rank)
            }
            if border.1 < 0x80 { beforeASCII[l] = min(beforeASCII[l], rank) }
            if border.1 >= 0xC0 { beforeOther[l] = min(beforeOther[l], rank) }
        }
        (self.afterASCII, self.afterOther) = (afterASCII, afterOther)
        (self.beforeASCII, self.beforeOther) = (beforeASCII, beforeOther)
    }

    /// Whether no merge of up to the way's ranks is in the way at the left side (`before`) and at the right side (`after`).
    func allow(_ way: Way, besideASCII: Bool, before: Bool, after: Bool) -> Bool {
        let left = besideASCII ? afterASCII : afterOther
        let right = besideASCII ? beforeASCII : beforeOther
        let isLeftFree = (way.firsts + [way.token]).allSatisfy { left[Int($0)] > way.rank }
        let isRightFree = (way.lasts + [way.token]).allSatisfy { right[Int($0)] > way.rank }
        return (!before || isLeftFree) && (!after || isRightFree)
    }
}
