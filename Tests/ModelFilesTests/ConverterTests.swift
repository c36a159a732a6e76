import CKernels
import ModelFiles
import Testing

@Suite struct ConverterTests {
    private static let tokenizer: [(String, MetadataValue)] = [
        ("tokenizer.ggml.model", .string("gpt2")),
        ("tokenizer.ggml.tokens", .strings((0..<12).map { "t\($0)" })),
        ("tokenizer.ggml.token_type", .array(MetadataArray([Int32](repeating: 1, count: 12)))),
        ("tokenizer.ggml.merges", .strings(["a b"])),
    ]

    @Test(arguments: TensorType.writable)
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
        #expect(file.metadata["general.file_type"] == type.fileType.map { .uint32($0) })
        #expect(file.metadata["general.quantization_version"] == .uint32(2))
        for (key, value) in source.metadata { #expect(file.metadata[key] == value) }
        for (key, value) in Self.tokenizer { #expect(file.metadata[key] == value) }
    }

    @Test(arguments: [0, 11, 13])
    func refusesATokenizerOfAnotherSize(count: Int) throws {
        let folder = try TemporaryFolder()
        let tokens: [(String, MetadataValue)] = [("tokenizer.ggml.tokens", .strings((0..<count).map { "\($0)" }))]
        let source = try ModelFile.open(Fixtures.tinyQwen2)
        let text = message {
            try Converter.convert(source, type: .f32, tokenizer: tokens, to: folder.file("out.gguf"))
        }
        #expect(text.contains("\(count) tokens, but the embedding 12 rows"))
        #expect(folder.names.isEmpty)
    }

    /// config.json's bos_token_id is taken, unless the tokenizer has one.
    @Test(arguments: [nil, UInt32(9)])
    func takesTheFirstTokenFromConfig(tokenizerToken: UInt32?) throws {
        let folder = try TemporaryFolder()
        let config = String(decoding: try readFile("\(Fixtures.tinyQwen2)/config.json"), as: UTF8.self)
        let range = try #require(config.firstRange(of: #""bos_token_id": null"#))
        try folder.write(
            String(config[..<range.lowerBound]) + #""bos_token_id": 7"# + config[range.upperBound...],
            to: "config.json"
        )
        try folder.write(try readFile("\(Fixtures.tinyQwen2)/model.safetensors"), to: "model.safetensors")
        let key = "tokenizer.ggml.bos_token_id"
        let own = tokenizerToken.map { [(key, MetadataValue.uint32($0))] } ?? []
        let path = folder.file("out.gguf")
        try Converter.convert(try ModelFile.open(folder.path), type: .f32, tokenizer: Self.tokenizer + own, to: path)
        #expect(try ModelFile.open(path).metadata[key] == .uint32(tokenizerToken ?? 7))
    }

    /// From F32, a GGUF file gives what its folder gives.
    @Test(arguments: TensorType.writable)
    func convertsAFileAnew(type: TensorType) throws {
        let folder = try TemporaryFolder()
        let (middle, direct, anew) = (folder.file("f32.gguf"), folder.file("direct.gguf"), folder.file("anew.gguf"))
        let source = try ModelFile.open(Fixtures.tinyQwen2)
        try Converter.convert(source, type: .f32, tokenizer: Self.tokenizer, to: middle)
        try Converter.convert(source, type: type, tokenizer: Self.tokenizer, to: direct)
        try Converter.convert(try ModelFile.open(middle), type: type, tokenizer: Self.tokenizer, to: anew)
        #expect(try readFile(anew) == readFile(direct))
    }
}
