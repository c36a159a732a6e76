import Glibc
import ModelFiles
import Testing

@testable import Tokenization

/// Ids against Hugging Face `tokenizers`; the cases are written by Tests/Reference/golden_tokenizer.py.
struct GoldenTests {
    private static let root = String(#filePath.split(separator: "/").dropLast(3).map { "/\($0)" }.joined())
    private static let starter = environment("QAIO_TEST_TOKENIZER") ?? "\(root)/models/starter.gguf"
    private static let qwen = "\(environment("QAIO_TEST_SHARED") ?? "\(root)/../shared")/tokenizer"

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    private func expectGolden(_ name: String, _ tokenizer: Tokenizer) throws {
        let path = "\(Self.root)/Tests/Reference/golden/\(name)"
        let lines = try readFile(path).split(separator: 0x0A)
        #expect(lines.count >= 500)
        for line in lines {
            var scanner = JSONScanner(Array(line), path: path)
            try scanner.beginArray()
            #expect(try scanner.nextElement())
            let text = try scanner.string()
            #expect(try scanner.nextElement())
            let ids = try #require(try scanner.value().elements).compactMap { $0.integer.map { TokenID($0) } }
            #expect(tokenizer.encode(text) == ids, "\(String(decoding: line, as: UTF8.self))")
        }
    }

    @Test(.enabled(if: fileExists(starter), "models/starter.gguf is not there"))
    func starterVocabulary() throws {
        try expectGolden("tokenizer-starter.jsonl", try Tokenizer.load(from: try ModelFile.open(Self.starter)))
    }

    @Test(.enabled(if: fileExists(qwen), "../shared/tokenizer is not there"))
    func qwenVocabulary() throws {
        let tokenizer = try Tokenizer.load(folder: Self.qwen)
        try expectGolden("tokenizer-qwen.jsonl", tokenizer)
        #expect(tokenizer.count == 151_646)
        #expect(tokenizer.controlToken("<|im_end|>") == 151_645)
        #expect(tokenizer.encode("正面负面涉政").count == 4)
        #expect(tokenizer.encode("正面") == [106_557])
    }
}
