import Glibc
import ModelFiles

@testable import Tokenization

/// A tokenizer of 256 bytes, a few merges, a hole, and three control tokens at the end.
enum Fixture {
    static let merges = ["h e", "l l", "he ll", "hell o", "Ġ hello", "a a", "aa aa", "i m", "a aa", "æŃ £", "æ Ń"]
    static let controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

    static func alphabet(_ bytes: [UInt8]) -> [UInt8] {
        var text: [UInt8] = []
        ByteAlphabet.encode(bytes.span, into: &text)
        return text
    }

    /// The tokens in the byte alphabet: bytes 0 to 255, then what the merges make.
    static let tokens: [[UInt8]] =
        (0...255).map { alphabet([UInt8($0)]) } + merges.map { Array($0.utf8.filter { $0 != 0x20 }) }

    /// GGUF metadata; ids from 267: an unused one, then the control tokens, then two unused ones.
    static var metadata: [String: MetadataValue] {
        let extra = ["[PAD267]"] + controls + ["[PAD271]", "[PAD272]"]
        let types = [Int32](repeating: 1, count: tokens.count) + [5, 3, 3, 3, 5, 5]
        return [
            "tokenizer.ggml.model": .string("gpt2"),
            "tokenizer.ggml.pre": .string("qwen2"),
            "tokenizer.ggml.tokens": .array(MetadataArray(tokens + extra.map { Array($0.utf8) })),
            "tokenizer.ggml.token_type": .array(MetadataArray(types)),
            "tokenizer.ggml.merges": .array(MetadataArray(merges.map { Array($0.utf8) })),
            "tokenizer.ggml.eos_token_id": .uint32(270),
            "tokenizer.chat_template": .string("{{ x }}"),
        ]
    }

    static func tokenizer() throws -> Tokenizer { try Tokenizer.load(metadata: metadata, path: "fixture.gguf") }

    /// A tokenizer.json with the fixture's tokens; `edit` may replace parts of its text.
    static func json(pairs: Bool = false) -> String {
        let vocabulary = tokens.enumerated().map { "\(quoted($1)): \($0)" }.joined(separator: ", ")
        let added = controls.enumerated().map {
            #"{"id": \#(268 + $0), "content": "\#($1)", "special": true}"#
        }.joined(separator: ", ")
        let list = merges.map { merge in
            let parts = merge.split(separator: " ").map { quoted(Array($0.utf8)) }
            return pairs ? "[\(parts[0]), \(parts[1])]" : quoted(Array(merge.utf8))
        }.joined(separator: ", ")
        let pattern = quoted(Array(PreTokenizer.pattern.utf8))
        return """
            {"added_tokens": [\(added)], "normalizer": {"type": "NFC"}, "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": \(pattern)}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
            "model": {"type": "BPE", "dropout": null, "ignore_merges": false, "merges": [\(list)], "vocab": {\(vocabulary)}}}
            """
    }

    static let configuration =
        #"{"eos_token": "<|im_end|>", "chat_template": "{{ x }}", "added_tokens_decoder": {"268": {"content": "<|endoftext|>", "special": true}, "269": {"content": "<|im_start|>", "special": true}, "270": {"content": "<|im_end|>", "special": true}}}"#

    static var vocabularyJSON: String {
        "{" + tokens.enumerated().map { "\(quoted($1)): \($0)" }.joined(separator: ",\n") + "}"
    }

    private static func quoted(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }
}

/// A folder of its own with these files, removed after `body`.
func withFolder(_ files: [String: String], _ body: (String) throws -> Void) throws {
    var template = Array("/tmp/tokenizer-test-XXXXXX".utf8CString)
    guard let created = mkdtemp(&template) else { throw TokenizerError(path: "/tmp", reason: "mkdtemp failed") }
    let folder = String(cString: created)
    defer {
        for name in files.keys { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }
    for (name, text) in files {
        guard let file = fopen("\(folder)/\(name)", "w") else {
            throw TokenizerError(path: name, reason: "fopen failed")
        }
        fwrite(Array(text.utf8), 1, text.utf8.count, file)
        fclose(file)
    }
    try body(folder)
}
