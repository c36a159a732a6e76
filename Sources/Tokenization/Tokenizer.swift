package import ModelFiles

/// Qwen2's byte-level BPE: NFC, the pre-tokenizer's pattern, merges. Ids are those of Hugging Face `tokenizers`.
///
/// Immutable; all methods may be called from any thread. `load` is in `Tokenizer+GGUF.swift` and `Tokenizer+HuggingFace.swift`.
package final class Tokenizer: Sendable {
    let vocabulary: Vocabulary
    let merges: MergeTable
    let properties: Properties
    private let initial: InitialTokens
    private let preTokenizer = PreTokenizer()
    private let controlTokens: [(name: [UInt8], id: TokenID)]

    /// What a model's files say beside tokens and merges; written to GGUF again.
    struct Properties: Sendable, Equatable {
        var endOfText: TokenID?
        var beginOfText: TokenID?
        var padding: TokenID?
        var chatTemplate: String?
    }

    /// One more than the last id that has a token. Ids without a token decode to nothing and must never be chosen.
    package let count: Int

    init(vocabulary: Vocabulary, merges: MergeTable, byteTokens: [TokenID], properties: Properties) {
        self.vocabulary = vocabulary
        self.merges = merges
        initial = InitialTokens(bytes: byteTokens, vocabulary: vocabulary, merges: merges)
        self.properties = properties
        count = vocabulary.count
        controlTokens = (0..<TokenID(count)).filter { vocabulary.kind($0) == .control }
            .map { (Array(vocabulary.content($0)), $0) }
    }

    /// The id of a control token by its name, such as `<|im_end|>`.
    package func controlToken(_ text: String) -> TokenID? {
        controlTokens.first { $0.name.elementsEqual(text.utf8) }?.id
    }

    /// The id of a token that text never yields, by what it is written as: a control token, or a user-defined one such as
    /// `<think>`.
    package func addedToken(_ text: String) -> TokenID? {
        (0..<TokenID(count)).first {
            [.control, .userDefined].contains(vocabulary.kind($0)) && vocabulary.content($0).elementsEqual(text.utf8)
        }
    }

    /// The model's own template in Jinja, where its files have one.
    package var chatTemplate: String? { properties.chatTemplate }

    package func isControl(_ id: TokenID) -> Bool { vocabulary.kind(id) == .control }

    /// Their names in UTF-8.
    package var controlTokenNames: [[UInt8]] { controlTokens.map(\.name) }

    /// All control tokens, ascending.
    package var controlTokenIDs: [TokenID] { controlTokens.map(\.id) }

    /// The text bytes of a token, which may be part of a character; empty for control tokens and ids without a token.
    package func bytes(of id: TokenID) -> [UInt8] {
        switch vocabulary.kind(id) {
        case .normal, .userDefined, .byte: Array(vocabulary.content(id))
        case .control, .unknown, .unused: []
        }
    }

    /// A token as people write it: its text, or a control token's name.
    package func name(of id: TokenID) -> [UInt8] {
        vocabulary.kind(id) == .control ? Array(vocabulary.content(id)) : bytes(of: id)
    }

    /// The tokens of plain text: never a control token, whatever the text says.
    package func encode(_ text: String) -> [TokenID] {
        encode(text.utf8.span)
    }

    /// The tokens of plain text in UTF-8; bytes that are not well-formed become U+FFFD first.
    package func encode(_ bytes: UnsafeRawBufferPointer) -> [TokenID] {
        encode(bytes.assumingMemoryBound(to: UInt8.self).span)
    }

    /// The tokens of plain text in UTF-8; bytes that are not well-formed become U+FFFD first.
    package func encode(_ bytes: some Collection<UInt8>) -> [TokenID] {
        bytes.withContiguousStorageIfAvailable { encode($0.span) } ?? encode(Array(bytes).span)
    }

    /// The text of the ids as a whole; bytes that are not well-formed become U+FFFD.
    package func decode(_ ids: [TokenID]) -> String {
        var decoder = StreamingDecoder(tokenizer: self)
        var text = ""
        for id in ids { text += decoder.append(id) }
        return text + decoder.finish()
    }

    private func encode(_ text: borrowing Span<UInt8>) -> [TokenID] {
        if Normalizer.isNormalized(text) { return encodeNormalized(text) }
        return encodeNormalized(Normalizer.normalize(text).span)
    }

    private func encodeNormalized(_ text: borrowing Span<UInt8>) -> [TokenID] {
        var encoder = BytePairEncoder(merges: merges, initial: initial)
        var ids: [TokenID] = []
        ids.reserveCapacity(text.count / 3)
        var start = 0
        while start < text.count {
            let end = preTokenizer.pieceEnd(in: text, from: start)
            encoder.encode(text, start..<end, into: &ids)
            start = end
        }
        return ids
    }
}
