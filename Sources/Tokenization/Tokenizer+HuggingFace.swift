import ModelFiles

extension Tokenizer {
    /// Reads tokenizer.json, or else vocab.json + merges.txt, of a Hugging Face folder, and tokenizer_config.json where it is.
    package static func load(folder: String) throws(TokenizerError) -> Tokenizer {
        let configuration = try HuggingFaceConfiguration(folder: folder)
        if fileExists("\(folder)/tokenizer.json") {
            return try HuggingFaceFile("\(folder)/tokenizer.json").tokenizer(configuration)
        }
        if fileExists("\(folder)/vocab.json"), fileExists("\(folder)/merges.txt") {
            return try loadVocabularyAndMerges(folder: folder, configuration)
        }
        throw TokenizerError(path: folder, reason: "has neither tokenizer.json nor vocab.json and merges.txt")
    }

    private static func loadVocabularyAndMerges(
        folder: String,
        _ configuration: HuggingFaceConfiguration
    ) throws(TokenizerError) -> Tokenizer {
        let path = "\(folder)/vocab.json"
        var builder = TokenizerBuilder(path: path)
        var scanner = JSONScanner(try readFile(path), path: path)
        try builder.addVocabulary(&scanner)
        try scanner.finish()
        for token in configuration.addedTokens { try builder.addSpecial(token) }
        let lines = try readFile("\(folder)/merges.txt").split { $0 == 0x0A || $0 == 0x0D }
            .drop { $0.starts(with: "#version".utf8) }
        try builder.finishTokens(mergeCount: lines.count)
        for line in lines { try builder.addMerge(line: line.span) }
        return try builder.build(configuration.properties(of: configuration.addedTokens))
    }
}

/// A token of `added_tokens`, which text never yields.
struct AddedToken {
    var id: Int
    var content: [UInt8]
    var isSpecial: Bool

    /// From an object with `content` and `special`; nil if they are not there.
    init?(id: Int?, _ json: JSONValue) {
        guard let id, let content = json["content"]?.bytes else { return nil }
        self.id = id
        self.content = content
        isSpecial = json["special"] == .bool(true)
    }
}

/// What tokenizer_config.json says; empty where the file is missing.
struct HuggingFaceConfiguration {
    private let json: JSONValue
    /// chat_template.jinja, where newer releases of transformers keep the template.
    private let templateFile: String?
    let addedTokens: [AddedToken]

    init(folder: String) throws(TokenizerError) {
        let template = "\(folder)/chat_template.jinja"
        templateFile = fileExists(template) ? String(decoding: try readFile(template), as: UTF8.self) : nil
        let path = "\(folder)/tokenizer_config.json"
        guard fileExists(path) else {
            json = .null
            addedTokens = []
            return
        }
        var scanner = JSONScanner(try readFile(path), path: path)
        json = try scanner.value()
        try scanner.finish()
        var addedTokens: [AddedToken] = []
        if case .object(let members)? = json["added_tokens_decoder"] {
            for (key, value) in members {
                guard let token = AddedToken(id: Int(String(decoding: key, as: UTF8.self)), value) else {
                    throw TokenizerError(path: path, reason: "added_tokens_decoder has an entry without id or content")
                }
                addedTokens.append(token)
            }
        }
        self.addedTokens = addedTokens
    }

    func properties(of tokens: [AddedToken]) -> Tokenizer.Properties {
        func id(_ key: String) -> TokenID? {
            let name = json[key]?.bytes ?? json[key]?["content"]?.bytes
            return tokens.first { $0.content == name }.map { TokenID($0.id) }
        }
        return Tokenizer.Properties(
            endOfText: id("eos_token"),
            beginOfText: id("bos_token"),
            padding: id("pad_token"),
            chatTemplate: json["chat_template"]?.string ?? templateFile
        )
    }
}

extension TokenizerBuilder {
    mutating func addSpecial(_ token: AddedToken) throws(TokenizerError) {
        try addSpecial(token.id, kind: token.isSpecial ? .control : .userDefined, content: token.content)
    }

    /// An object of token (in the byte alphabet) → id.
    mutating func addVocabulary(_ scanner: inout JSONScanner) throws(TokenizerError) {
        try scanner.beginObject()
        while let token = try scanner.nextKey() { try addToken(try scanner.integer(), alphabet: token.span) }
    }
}
