import Glibc
import ModelFiles

@testable import Roles

/// One token a Unicode scalar, its value the id; control tokens lie above all of Unicode.
struct ToyTokenizer: TextEncoding {
    static let start: TokenID = 0x200000
    static let end: TokenID = 0x200001
    static let think: TokenID = 0x200002
    static let thought: TokenID = 0x200003
    var controls: [String: TokenID] = ["<|im_start|>": start, "<|im_end|>": end]
    /// Beside the control tokens.
    var added: [String: TokenID] = [:]
    var chatTemplate: String?

    func encode(_ text: String) -> [TokenID] { text.unicodeScalars.map { TokenID($0.value) } }
    func controlToken(_ text: String) -> TokenID? { controls[text] }
    func addedToken(_ text: String) -> TokenID? { added[text] ?? controls[text] }
    func isControl(_ id: TokenID) -> Bool { id >= Self.start }

    /// The prompt as a reader of the template would write it.
    static func render(_ ids: [TokenID]) -> String {
        ids.map { id in
            switch id {
            case start: "<START>"
            case end: "<END>"
            case think: "<THINK>"
            case thought: "<THOUGHT>"
            default: Unicode.Scalar(UInt32(id)).map { String(Character($0)) } ?? "?"
            }
        }.joined()
    }
}

/// How many tokens two lists have in common at their starts.
func commonCount(_ first: [TokenID], _ second: [TokenID]) -> Int { zip(first, second).prefix { $0 == $1 }.count }

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

let packageRoot = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")

/// A directory of role files that is gone when `body` returns.
func withRoleFiles(_ files: [(name: String, bytes: [UInt8])], _ body: (String) throws -> Void) throws {
    var template = Array("/tmp/roles-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure.system(errno) }
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer {
        for file in files { unlink("\(directory)/\(file.name)") }
        rmdir(directory)
    }
    for file in files {
        guard let handle = fopen("\(directory)/\(file.name)", "w") else { throw TestFailure.system(errno) }
        fwrite(file.bytes, 1, file.bytes.count, handle)
        fclose(handle)
    }
    try body(directory)
}

enum TestFailure: Error { case system(Int32) }

extension Role {
    static func label(_ labels: [String] = ["正面", "负面"], characters: Int = 128, maxTokens: Int = 12) -> Role {
        Role(
            name: "sentiment",
            system: "S",
            input: InputRule(maxCharacters: characters, overflow: .truncate),
            output: .labels(labels, maxTokens: maxTokens),
            annotate: [],
            fixedReplies: []
        )
    }

    static func chat(characters: Int = 2000, overflow: InputRule.Overflow = .reject) -> Role {
        Role(
            name: "chat",
            system: "C",
            input: InputRule(maxCharacters: characters, overflow: overflow),
            output: .reply(maxCharacters: 60),
            annotate: ["sentiment"],
            fixedReplies: []
        )
    }
}
