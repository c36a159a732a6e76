import CKernels
import ModelFiles
import Testing

@Suite struct SynthesizerTests {
    private static let tokenizer: [(String, MetadataValue)] = [
        ("tokenizer.ggml.tokens", .strings((0..<500).map { "t\($0)" }))
    ]

    private func make(_ name: String, type: TensorType, seed: UInt64, in folder: TemporaryFolder) throws -> String {
        let path = folder.file(name)
        let dimensions = ModelShape.tiny.dimensions(tokenCount: 500)
        try Synthesizer.synthesize(
            dimensions,
            name: "n",
            type: type,
            seed: seed,
            tokenizer: Self.tokenizer,
            to: path
        )
        return path
    }

    @Test func theSeedDecidesEveryByte() throws {
        let folder = try TemporaryFolder()
        let first = try readFile(try make("a", type: .q8_0, seed: 1, in: folder))
        #expect(try readFile(try make("b", type: .q8_0, seed: 1, in: folder)) == first)
        #expect(try readFile(try make("c", type: .q8_0, seed: 2, in: folder)) != first)
    }

    @Test(arguments: TensorType.writable)
    func writesAWholeModel(type: TensorType) throws {
        let folder = try TemporaryFolder()
        let file = try ModelFile.open(try make("m", type: type, seed: 3, in: folder))
        let dimensions = ModelShape.tiny.dimensions(tokenCount: 500)
        #expect(file.tensorNames == dimensions.tensors.map(\.name))
        for slot in dimensions.tensors {
            let view = try file.tensor(slot.name)
            #expect(view.shape == slot.shape && view.type == (slot.isVector ? .f32 : type))
        }
        for (key, value) in dimensions.metadata { #expect(file.metadata[key] == value) }
    }

    @Test func weightsAreSpreadAsIntended() throws {
        let folder = try TemporaryFolder()
        let file = try ModelFile.open(try make("m", type: .f32, seed: 4, in: folder))
        func moments(_ name: String) throws -> (mean: Float, deviation: Float) {
            let values = try file.tensor(name).bytes.bindMemory(to: Float.self)
            let mean = values.reduce(0, +) / Float(values.count)
            let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(values.count)
            return (mean, variance.squareRoot())
        }
        let embedding = try moments("token_embd.weight")
        #expect(abs(embedding.mean) < 0.001 && abs(embedding.deviation - 0.02) < 0.0005)
        #expect(abs(try moments("output_norm.weight").mean - 1) < 0.02)
        #expect(abs(try moments("blk.1.attn_q.bias").mean) < 0.02)
        #expect(try file.tensor("blk.0.ffn_up.weight").array != file.tensor("blk.0.ffn_gate.weight").array)
    }

    /// Parameters and tensors of the published models.
    @Test(arguments: [
        (ModelShape.qwen15Half, 463_987_712, 290), (.qwen25Half, 494_032_768, 290),
        (.qwen25OneAndHalf, 1_543_714_304, 338), (.qwen3Small, 596_049_920, 310),
    ])
    func realShapesHaveTheRealCounts(shape: ModelShape, parameters: Int, count: Int) {
        let tensors = shape.dimensions(tokenCount: 151_646).tensors
        #expect(tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } == parameters)
        #expect(tensors.count == count)
    }
}
