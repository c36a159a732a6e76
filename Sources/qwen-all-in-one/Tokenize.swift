import ArgumentParser
import Glibc
import ModelFiles
import Service
import Tokenization

/// Text → token ids, or ids → text. Text is plain text: it never yields a control token.
struct Tokenize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the token ids of text, or with --decode the text of token ids.",
        discussion: """
            Reads the arguments (joined by spaces), or else standard input as one text, final newline included. With \
            --jsonl standard input has one JSON string a line, and each gives one JSON array of ids a line. --decode goes \
            the other way; control tokens have no text. --measure prints, instead of ids, what encoding all lines costs on \
            one thread: one JSON object a round with characters, tokens and seconds of processor time.

            Example: printf '你好' | qwen-all-in-one tokenize --model models/starter.gguf
            """
    )

    @Option(help: "GGUF file, Hugging Face folder, or a folder with a tokenizer's files only.")
    var model = "models/starter.gguf"

    @Flag(help: "Ids to text: separated by white space or commas, or with --jsonl one JSON array a line.")
    var decode = false

    @Flag(help: "One JSON value a line, in and out.")
    var jsonl = false

    @Flag(help: "Print the text of each token after its id, one token a line.")
    var pieces = false

    @Option(help: ArgumentHelp("Encode the lines of --jsonl so many times and print the time.", valueName: "rounds"))
    var measure: Int?

    @Argument(help: "The text, or with --decode the ids.")
    var words: [String] = []

    func validate() throws {
        if jsonl, pieces || !words.isEmpty {
            throw ValidationError("--jsonl reads standard input and goes without --pieces.")
        }
        if let measure, !jsonl || decode || !(1...1000).contains(measure) {
            throw ValidationError("--measure must be 1 to 1000; it needs --jsonl and goes without --decode.")
        }
        if decode, pieces { throw ValidationError("--pieces does not go with --decode.") }
    }

    func run() throws {
        let tokenizer = try loadTokenizer()
        if let measure { return try measureLines(tokenizer, rounds: measure) }
        if jsonl { return try convertLines(tokenizer) }
        let input = words.isEmpty ? try readStandardInput() : Array(words.joined(separator: " ").utf8)
        if decode {
            print(tokenizer.decode(try ids(input, tokenizer)), terminator: "")
        } else if pieces {
            for id in tokenizer.encode(input) { print("\(id)\t\(jsonQuoted(tokenizer.decode([id])))") }
        } else {
            print(tokenizer.encode(input).map(String.init).joined(separator: " "))
        }
    }

    private func loadTokenizer() throws -> Tokenizer {
        var status = stat()
        let isFolder = stat(model, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
        return isFolder ? try Tokenizer.load(folder: model) : try Tokenizer.load(from: try ModelFile.open(model))
    }

    private func convertLines(_ tokenizer: Tokenizer) throws {
        var number = 0
        while let line = readLine(strippingNewline: true) {
            number += 1
            if decode {
                print(jsonQuoted(tokenizer.decode(try ids(arrayLine: line, number, tokenizer))))
                continue
            }
            let text = try string(jsonLine: line, number)
            print("[\(tokenizer.encode(text).map(String.init).joined(separator: ","))]")
        }
    }

    private func measureLines(_ tokenizer: Tokenizer, rounds: Int) throws {
        var texts: [[UInt8]] = []
        while let line = readLine(strippingNewline: true) {
            texts.append(Array(try string(jsonLine: line, texts.count + 1)))
        }
        let characters = texts.reduce(0) { $0 + String(decoding: $1, as: UTF8.self).unicodeScalars.count }
        for _ in 0..<rounds {
            var tokens = 0
            let start = threadSeconds()
            for text in texts { tokens += tokenizer.encode(text).count }
            let result: JSONValue = [
                "characters": .integer(characters), "tokens": .integer(tokens),
                "seconds": .number(threadSeconds() - start),
            ]
            print(String(decoding: result.encoded, as: UTF8.self))
        }
    }

    private func string(jsonLine line: String, _ number: Int) throws -> ArraySlice<UInt8> {
        var scanner = JSONScanner(Array(line.utf8), path: "standard input, line \(number)")
        let text = try scanner.string()
        try scanner.finish()
        return text
    }

    /// The ids in `[1,2,3]`.
    private func ids(arrayLine line: String, _ number: Int, _ tokenizer: Tokenizer) throws -> [TokenID] {
        let bytes = Array(line.utf8).drop { $0 == 0x20 || $0 == 0x09 }
        let end = bytes.lastIndex { $0 != 0x20 && $0 != 0x09 } ?? bytes.startIndex
        guard bytes.first == UInt8(ascii: "["), bytes[end] == UInt8(ascii: "]") else {
            throw ServiceError("standard input, line \(number): expected a JSON array of ids")
        }
        return try ids(Array(bytes[bytes.startIndex + 1..<end]), tokenizer)
    }

    private func ids(_ input: [UInt8], _ tokenizer: Tokenizer) throws -> [TokenID] {
        try input.split { $0 <= 0x20 || $0 == UInt8(ascii: ",") }.map { bytes in
            let word = String(decoding: bytes, as: UTF8.self)
            guard let id = TokenID(word), (0..<TokenID(tokenizer.count)).contains(id) else {
                throw ServiceError("'\(word.prefix(32))' is not an id in 0..<\(tokenizer.count)")
            }
            return id
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
                throw ServiceError("standard input: \(String(cString: strerror(errno)))")
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > limit { throw ServiceError("standard input is longer than 1 GiB") }
        }
    }
}

/// Processor time of this thread, which other processes on a busy machine do not lengthen.
private func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

/// A JSON string on one line.
private func jsonQuoted(_ text: String) -> String { String(decoding: JSONValue.string(text).encoded, as: UTF8.self) }
