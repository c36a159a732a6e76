import CKernels
import ModelFiles
import Testing

@Suite struct ConverterTests {
    private static let tokenizer: [(String, MetadataValue)] = [
        ("tokenizer.ggml.model", .string("gpt2")),
        ("tokenizer.ggml.tokens", .strings(["a", "b", "<|im_end|>"])),
        ("tokenizer.ggml.token_type", .array(MetadataArray([Int32(1), 1, 3]))),
        ("tokenizer.ggml.merges", .strings(["a b"])),
    ]

    @Test(arguments: TensorType.allCases)
    func storesMatricesInTheTypeAndVectorsInF32(type: TensorType) throws {
        let folder = try TemporaryFolder()
        let source = try ModelFile.open(Fixtures.tinyQwen2)
        let path = folder.file("out.gguf")
        try Converter.convert(source, type: type, tokenizer: Self.tokenizer, to: path)
        let file = try ModelFile.open(path)
        #expect(file.tensorNames == source.tensorNames)
        for name in file.tensorNames {
            let (view, original) = (try file.tensor(name), try source.tensor(name))
            #expect(view.shape == original.shape)
            #expect(view.type == (original.shape.count == 1 ? .f32 : type), "\(name)")
            // Row by row through floats gives what the converter streamed.
            var floats = [Float](repeating: 0, count: original.elementCount)
            var bytes = [UInt8](repeating: 0, count: view.bytes.count)
            #expect(ck_dequantize_row(original.type.rawValue, original.bytes.baseAddress, &floats, floats.count))
            #expect(ck_quantize_row(view.type.rawValue, floats, &bytes, floats.count))
            #expect(view.array == bytes, "\(name)")
        }
        #expect(file.metadata["general.file_type"] == .uint32(type.fileType))
        #expect(file.metadata["general.quantization_version"] == .uint32(2))
        for (key, value) in source.metadata { #expect(file.metadata[key] == value) }
    }

    @Test func namesRowsWithoutAToken() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("out.gguf")
        try Converter.convert(try ModelFile.open(Fixtures.tinyQwen2), type: .f32, tokenizer: Self.tokenizer, to: path)
        let metadata = try ModelFile.open(path).metadata
        let tokens = try #require(metadata["tokenizer.ggml.tokens"]?.strings)
        #expect(
            (0..<tokens.count).map { String(decoding: tokens[$0], as: UTF8.self) }
                == ["a", "b", "<|im_end|>"] + (3..<12).map { "[PAD\($0)]" }
        )
        #expect(metadata["tokenizer.ggml.token_type"]?.ints == [1, 1, 3] + Array(repeating: 5, count: 9))
        #expect(metadata["tokenizer.ggml.merges"] == .strings(["a b"]))
    }

    @Test func refusesATokenizerWithMoreTokensThanRows() throws {
        let folder = try TemporaryFolder()
        let tokens: [(String, MetadataValue)] = [("tokenizer.ggml.tokens", .strings((0..<13).map { "\($0)" }))]
        let source = try ModelFile.open(Fixtures.tinyQwen2)
        let text = message {
            try Converter.convert(source, type: .f32, tokenizer: tokens, to: folder.file("out.gguf"))
        }
        #expect(text.contains("13 tokens, but the embedding only 12 rows"))
        #expect(folder.names.isEmpty)
    }

    @Test func convertsOnlyFolders() throws {
        let folder = try TemporaryFolder()
        let source = try ModelFile.open(Fixtures.quants)
        let text = message { try Converter.convert(source, type: .f32, tokenizer: [], to: folder.file("out.gguf")) }
        #expect(text.contains("is not a Hugging Face folder"))
    }
}
