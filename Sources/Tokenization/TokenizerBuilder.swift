import ModelFiles

/// Collects tokens, then merges, from any kind of file, and checks that they make a tokenizer.
struct TokenizerBuilder {
    /// The file that errors name.
    let path: String
    private var vocabulary = Vocabulary()
    private var index: VocabularyIndex?
    private var merges = MergeTable(capacity: 0)
    private var mergeCapacity = 0
    private var scratch: [UInt8] = []

    init(path: String) {
        self.path = path
    }

    mutating func reserve(tokenCount: Int) {
        vocabulary.reserve(min(tokenCount, Vocabulary.maximumCount), averageBytes: 8)
    }

    /// A normal token, written in the byte alphabet.
    mutating func addToken(_ id: Int, alphabet: borrowing Span<UInt8>) throws(TokenizerError) {
        try check(id)
        var isInAlphabet = false
        let start = scratch.count
        isInAlphabet = ByteAlphabet.decode(alphabet, into: &scratch)
        let decoded = scratch[start...]
        let isStored = vocabulary.set(id, kind: .normal) { bytes in
            bytes += decoded
            return isInAlphabet && !decoded.isEmpty
        }
        scratch.removeAll(keepingCapacity: true)
        guard isStored else { throw error("token \(id) is empty or not in the byte-level alphabet of GPT-2") }
    }

    /// A token that text never yields; replaces a normal token of this id.
    mutating func addSpecial(_ id: Int, kind: Vocabulary.Kind, content: some Sequence<UInt8>) throws(TokenizerError) {
        try check(id)
        let isStored = vocabulary.set(id, kind: kind) { bytes in
            bytes += content
            return true
        }
        guard isStored else { throw error("the vocabulary is larger than 4 GiB") }
    }

    /// Ends the tokens; merges may follow.
    mutating func finishTokens(mergeCount: Int) throws(TokenizerError) {
        guard mergeCount <= Vocabulary.maximumCount else { throw error("\(mergeCount) merges are too many") }
        index = VocabularyIndex(vocabulary)
        merges = MergeTable(capacity: mergeCount)
        mergeCapacity = mergeCount
    }

    /// The merge of the next rank as one line: both sides in the byte alphabet with a space between them.
    mutating func addMerge(line: borrowing Span<UInt8>) throws(TokenizerError) {
        var space = 0
        while space < line.count, line[space] != 0x20 { space += 1 }
        guard space < line.count else {
            throw error("merge \(merges.count) is not two tokens with a space between them")
        }
        try addMerge(left: line.extracting(..<space), right: line.extracting((space + 1)...))
    }

    /// The merge of the next rank, both sides in the byte alphabet.
    mutating func addMerge(
        left: borrowing Span<UInt8>,
        right: borrowing Span<UInt8>
    ) throws(TokenizerError) {
        guard let index, merges.count < mergeCapacity else { throw error("more merges than announced") }
        scratch.removeAll(keepingCapacity: true)
        var isInAlphabet = ByteAlphabet.decode(left, into: &scratch)
        let middle = scratch.count
        isInAlphabet = ByteAlphabet.decode(right, into: &scratch) && isInAlphabet
        guard isInAlphabet, let leftID = index.id(of: scratch[..<middle], in: vocabulary),
            let rightID = index.id(of: scratch[middle...], in: vocabulary),
            let merged = index.id(of: scratch[...], in: vocabulary)
        else { throw error("merge \(merges.count) joins or makes a token that the vocabulary lacks") }
        merges.append(left: leftID, right: rightID, merged: merged)
    }

    func build(_ properties: Tokenizer.Properties) throws(TokenizerError) -> Tokenizer {
        var byteTokens: [TokenID] = []
        for byte in UInt8.min...UInt8.max {
            guard let id = index?.id(of: [byte], in: vocabulary) else {
                throw error("the vocabulary has no token for the single byte \(byte); a byte-level BPE has all 256")
            }
            byteTokens.append(id)
        }
        return Tokenizer(vocabulary: vocabulary, merges: merges, byteTokens: byteTokens, properties: properties)
    }

    func error(_ reason: String) -> TokenizerError { TokenizerError(path: path, reason: reason) }

    private func check(_ id: Int) throws(TokenizerError) {
        guard (0..<Vocabulary.maximumCount).contains(id) else {
            throw error("token id \(id) is outside 0..<\(Vocabulary.maximumCount)")
        }
    }
}
