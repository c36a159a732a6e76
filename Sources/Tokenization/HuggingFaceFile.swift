import ModelFiles

/// A tokenizer.json, read in two passes: where each part begins, then the parts, in the order that loading needs.
struct HuggingFaceFile {
    private let path: String
    private let bytes: [UInt8]
    private var parts: [[UInt8]: Int] = [:]
    private var modelParts: [[UInt8]: Int] = [:]

    init(_ path: String) throws(TokenizerError) {
        self.path = path
        bytes = try readFile(path)
        var scanner = JSONScanner(bytes, path: path)
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            parts[Array(key)] = scanner.position
            guard key.elementsEqual("model".utf8) else {
                try scanner.skip()
                continue
            }
            try scanner.beginObject()
            while let modelKey = try scanner.nextKey() {
                modelParts[Array(modelKey)] = scanner.position
                try scanner.skip()
            }
        }
        try scanner.finish()
    }

    func tokenizer(_ configuration: HuggingFaceConfiguration) throws(TokenizerError) -> Tokenizer {
        try checkKind()
        guard let vocabulary = modelParts[Array("vocab".utf8)], let merges = modelParts[Array("merges".utf8)] else {
            throw TokenizerError(path: path, reason: "has no model.vocab and model.merges")
        }
        var builder = TokenizerBuilder(path: path)
        var scanner = JSONScanner(bytes, path: path, at: vocabulary)
        try builder.addVocabulary(&scanner)
        var addedTokens: [AddedToken] = []
        for json in try value("added_tokens")?.elements ?? [] {
            guard let token = AddedToken(id: json["id"]?.integer, json) else {
                throw TokenizerError(path: path, reason: "added_tokens has an entry without id or content")
            }
            addedTokens.append(token)
            try builder.addSpecial(token)
        }
        try addMerges(at: merges, to: &builder)
        return try builder.build(configuration.properties(of: addedTokens))
    }

    /// Each merge is one string with a space, or an array of two strings.
    private func addMerges(at position: Int, to builder: inout TokenizerBuilder) throws(TokenizerError) {
        var counter = JSONScanner(bytes, path: path, at: position)
        var count = 0
        try counter.beginArray()
        while try counter.nextElement() {
            try counter.skip()
            count += 1
        }
        try builder.finishTokens(mergeCount: count)
        var scanner = JSONScanner(bytes, path: path, at: position)
        try scanner.beginArray()
        while try scanner.nextElement() {
            if scanner.peek() == UInt8(ascii: "[") {
                try addMergePair(from: &scanner, to: &builder)
            } else {
                let line = try scanner.string()
                try builder.addMerge(line: line.span)
            }
        }
    }

    private func addMergePair(
        from scanner: inout JSONScanner,
        to builder: inout TokenizerBuilder
    ) throws(TokenizerError) {
        var sides: [ArraySlice<UInt8>] = []
        try scanner.beginArray()
        while try scanner.nextElement() { sides.append(try scanner.string()) }
        guard sides.count == 2 else { throw builder.error("a merge is not a pair of tokens") }
        let left = sides[0]
        let right = sides[1]
        try builder.addMerge(left: left.span, right: right.span)
    }

    /// Fails unless everything that decides ids is as Qwen2 has it.
    private func checkKind() throws(TokenizerError) {
        guard try value("normalizer")?["type"]?.string == "NFC" else {
            throw unsupported("normalizer is not NFC")
        }
        let steps = try value("pre_tokenizer")?["pretokenizers"]?.elements ?? []
        guard steps.count == 2, steps[0]["type"]?.string == "Split",
            steps[0]["pattern"]?["Regex"]?.string == PreTokenizer.pattern,
            steps[0]["behavior"]?.string == "Isolated", steps[0]["invert"] == .bool(false),
            steps[1]["type"]?.string == "ByteLevel", steps[1]["add_prefix_space"] == .bool(false),
            steps[1]["use_regex"] == .bool(false)
        else { throw unsupported("pre_tokenizer is not Qwen2's pattern followed by ByteLevel") }
        guard try modelValue("type")?.string == "BPE" else { throw unsupported("model.type is not BPE") }
        for (key, plain) in Self.plainModelOptions {
            guard let value = try modelValue(key), value != .null, value != plain else { continue }
            throw unsupported("model.\(key) is set")
        }
    }

    private static let plainModelOptions: [(String, JSONValue)] = [
        ("dropout", .null), ("unk_token", .null), ("continuing_subword_prefix", .string([])),
        ("end_of_word_suffix", .string([])), ("byte_fallback", .bool(false)), ("ignore_merges", .bool(false)),
    ]

    private func unsupported(_ what: String) -> TokenizerError {
        TokenizerError(path: path, reason: "\(what); only Qwen2's byte-level BPE is supported")
    }

    private func value(_ key: String) throws(TokenizerError) -> JSONValue? { try value(at: parts[Array(key.utf8)]) }
    private func modelValue(_ key: String) throws(TokenizerError) -> JSONValue? {
        try value(at: modelParts[Array(key.utf8)])
    }

    private func value(at position: Int?) throws(TokenizerError) -> JSONValue? {
        guard let position else { return nil }
        var scanner = JSONScanner(bytes, path: path, at: position)
        return try scanner.value()
    }
}
