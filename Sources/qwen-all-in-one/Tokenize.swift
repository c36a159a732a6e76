import ArgumentParser
import Glibc
import ModelFiles
import Tokenization

/// Text → token ids, or ids → text. Text is plain text: it never yields a control token.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the token ids of text, or the text of token ids.",
        discussion: "Reads the arguments (joined by spaces), or else standard input as it is, final newline included."
    )

    @Option(help: "GGUF file or Hugging Face folder with the tokenizer.")
    var model = "models/starter.gguf"

    @Option(help: "Folder with tokenizer.json, or vocab.json and merges.txt; instead of --model.")
    var tokenizer: String?

    @Flag(help: "Print the text of each token after its id, one token a line.")
    var pieces = false

    @Flag(help: "Print JSON.")
    var json = false

    @Flag(help: "Standard input has one JSON string a line; print the ids of each on a line.")
    var lines = false

    @Option(parsing: .upToNextOption, help: "Print the text of these ids, separated by spaces or commas.")
    var decode: [String] = []

    @Argument(help: "The text.")
    var text: [String] = []

    func run() throws {
        try checkOptions()
        let tokenizer = try loadTokenizer()
        if lines {
            try encodeLines(tokenizer)
        } else if !decode.isEmpty {
            let decoded = tokenizer.decode(try ids(tokenizer))
            print(json ? #"{"text":\#(jsonQuoted(decoded))}"# : decoded)
        } else {
            try printTokens(tokenizer)
        }
    }

    private func checkOptions() throws {
        if lines, json || pieces || !decode.isEmpty || !text.isEmpty {
            throw TokenizeError(description: "--lines goes with no other input and no other format")
        }
        if !decode.isEmpty, !text.isEmpty || pieces {
            throw TokenizeError(description: "--decode goes with neither text nor --pieces")
        }
    }

    private func loadTokenizer() throws -> Tokenizer {
        if let tokenizer { return try Tokenizer.load(folder: tokenizer) }
        return try Tokenizer.load(from: try ModelFile.open(model))
    }

    private func ids(_ tokenizer: Tokenizer) throws -> [TokenID] {
        try decode.flatMap { $0.split { $0 == "," || $0 == " " } }.map { word in
            guard let id = TokenID(word), (0..<TokenID(tokenizer.count)).contains(id) else {
                throw TokenizeError(description: "--decode: '\(word)' is not an id in 0..<\(tokenizer.count)")
            }
            return id
        }
    }

    private func printTokens(_ tokenizer: Tokenizer) throws {
        let ids = tokenizer.encode(text.isEmpty ? try readStandardInput() : Array(text.joined(separator: " ").utf8))
        let texts = pieces ? ids.map { String(decoding: tokenizer.bytes(of: $0), as: UTF8.self) } : []
        if json {
            let list = ids.map(String.init).joined(separator: ",")
            let quoted = texts.map(jsonQuoted).joined(separator: ",")
            print(#"{"ids":[\#(list)]\#(pieces ? #","pieces":[\#(quoted)]"# : "")}"#)
        } else if pieces {
            for (id, text) in zip(ids, texts) { print("\(id)\t\(jsonQuoted(text))") }
        } else {
            print(ids.map(String.init).joined(separator: " "))
        }
    }

    private func encodeLines(_ tokenizer: Tokenizer) throws {
        var number = 0
        while let line = readLine(strippingNewline: true) {
            number += 1
            var scanner = JSONScanner(Array(line.utf8), path: "standard input, line \(number)")
            let text = try scanner.string()
            try scanner.finish()
            print(tokenizer.encode(text).map(String.init).joined(separator: " "))
        }
    }

    /// Standard input as it is; at most 1 GiB.
    private func readStandardInput() throws -> [UInt8] {
        let limit = 1 << 30
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = read(STDIN_FILENO, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                throw TokenizeError(description: "standard input: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > limit { throw TokenizeError(description: "standard input is longer than 1 GiB") }
        }
    }
}

/// One line for the user.
private struct TokenizeError: Error, CustomStringConvertible {
    var description: String
}

/// A JSON string (RFC 8259) on one line.
private func jsonQuoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": quoted += "\\\""
        case "\\": quoted += "\\\\"
        case "\n": quoted += "\\n"
        case "\r": quoted += "\\r"
        case "\t": quoted += "\\t"
        case _ where scalar.value < 0x20 || scalar.value == 0x7F:
            let digits = String(scalar.value, radix: 16)
            quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        default: quoted.unicodeScalars.append(scalar)
        }
    }
    return quoted + "\""
}
