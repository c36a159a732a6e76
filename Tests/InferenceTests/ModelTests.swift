import ModelFiles
import Testing

@testable import Inference

struct ModelTests {
    @Test func readsTheSizes() throws {
        let model = try randomModel(oddDimensions, .f32)
        let c = model.configuration
        #expect((c.layerCount, c.hiddenSize, c.intermediateSize) == (2, 36, 50))
        #expect((c.headCount, c.kvHeadCount, c.headDimension) == (6, 2, 6))
        #expect((c.vocabularyCount, c.contextLength, c.tiesEmbeddings) == (77, 256, false))
        #expect(model.weightType == "f32")
        #expect(try randomModel(evenDimensions, .q4_0).weightType == "q4_0")
        #expect(try randomModel(evenDimensions, .q4_0).configuration.tiesEmbeddings)
    }

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "no error"
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: ["blk.1.attn_q.bias", "blk.0.ffn_down.weight", "output_norm.weight", "token_embd.weight"])
    func namesTheMissingTensor(name: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        try writeRandomModel(oddDimensions, .f32, to: path, skipping: name)
        let text = message { _ = try Model(file: ModelFile.open(path)) }
        #expect(text == "\(path): tensor '\(name)': is missing")
    }

    static let changes: [(key: String, value: MetadataValue, part: String)] = [
        ("qwen2.block_count", .uint32(3), "tensor 'blk.2."),
        ("qwen2.block_count", .uint32(0), "must be 1 to"),
        ("qwen2.block_count", .string("2"), "not an integer"),
        ("qwen2.embedding_length", .uint32(48), "has shape"),
        ("qwen2.embedding_length", .uint32(.max), "must be 1 to"),
        ("qwen2.feed_forward_length", .uint32(49), "has shape"),
        ("qwen2.attention.head_count", .uint32(5), "must divide the"),
        ("qwen2.attention.head_count", .uint32(4), "must be even"),
        ("qwen2.attention.head_count_kv", .uint32(4), "must divide the"),
        ("qwen2.attention.head_count_kv", .uint32(3), "has shape"),
        ("qwen2.attention.head_count_kv", .int32(-2), "must be 1 to"),
        ("qwen2.attention.key_length", .uint32(512), "at most 256"),
        ("qwen2.attention.layer_norm_rms_epsilon", .float32(0), "positive"),
        ("qwen2.rope.freq_base", .float32(.nan), "positive"),
        ("qwen2.rope.scaling.type", .string("yarn"), "only none"),
        ("qwen2.attention.sliding_window", .uint32(255), "less than the context of 256 tokens; sliding windows"),
        ("qwen2.attention.sliding_window", .int32(-1), "sliding windows are not supported"),
        ("qwen2.attention.sliding_window", .strings(["256"]), "not an integer"),
        ("tokenizer.ggml.tokens", .strings((0..<78).map { "\($0)" }), "has 78 tokens"),
    ]

    @Test(arguments: changes.indices)
    func refusesSizesThatDoNotFit(index: Int) throws {
        let change = Self.changes[index]
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        let metadata = oddDimensions.metadata.filter { $0.0 != change.key } + [(change.key, change.value)]
        try writeRandomModel(oddDimensions, .f32, to: path, metadata: metadata)
        let text = message { _ = try Model(file: ModelFile.open(path)) }
        #expect(text.contains(change.part), "\(text)")
        #expect(text.hasPrefix(path) && !text.contains("\n"))
    }

    /// 0 stands for none.
    @Test(arguments: [0, 256, 32_768])
    func acceptsAWindowThatTheContextFitsInto(tokens: UInt32) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        let window = ("qwen2.attention.sliding_window", MetadataValue.uint32(tokens))
        try writeRandomModel(oddDimensions, .f32, to: path, metadata: oddDimensions.metadata + [window])
        #expect(try Model(file: ModelFile.open(path)).configuration.contextLength == 256)
    }

    @Test func refusesAnotherArchitecture() throws {
        let text = message {
            _ = try ModelConfiguration(
                metadata: ["general.architecture": .string("llama")],
                tensors: [:],
                path: "x.gguf"
            )
        }
        #expect(text == "x.gguf: key 'general.architecture': is 'llama'; only qwen2 and qwen3 are supported")
    }

    static let badOptions: [ComputeOptions] = [
        ComputeOptions(threads: 0), ComputeOptions(threads: 1_000_000), ComputeOptions(kvBlocks: 0),
        ComputeOptions(kvBlocks: 1 << 24), ComputeOptions(maxSequences: 0), ComputeOptions(maxBatchRows: -1),
    ]

    @Test(arguments: badOptions.indices)
    func refusesImpossibleOptions(index: Int) throws {
        var dimensions = oddDimensions
        dimensions.vocabularyCount = 5
        let model = try randomModel(dimensions, .f32)
        #expect(throws: ModelError.self) { try ComputeContext(model: model, options: Self.badOptions[index]) }
    }

    /// Bytes of a head's 16 values of K and V in each precision, and of int8 their scales.
    static let headBytes: [(precision: KVPrecision?, bytes: Int)] = [(nil, 64), (.f16, 64), (.f32, 128), (.int8, 40)]

    @Test(arguments: headBytes)
    func memoryIsWhatTheOptionsAskFor(precision: KVPrecision?, bytes: Int) throws {
        let model = try randomModel(evenDimensions, .q8_0)
        func context(_ blocks: Int) throws -> ComputeContext {
            try ComputeContext(
                model: model,
                options: ComputeOptions(threads: 1, kvBlocks: blocks, kvPrecision: precision)
            )
        }
        let (small, large) = (try context(8), try context(16))
        // 2 layers, 2 KV heads, 32 tokens; and 4 tables of 4-byte entries.
        let block: Int = 2 * 2 * 32 * bytes
        let difference = large.memoryBytes - small.memoryBytes
        #expect(difference == 8 * (block + 4 * 4))
        #expect(model.weightBytes > 0)
    }

    @Test(arguments: [TensorType.f32, .q8_0, .q4_0], [nil, KVPrecision.int8])
    func planSaysWhatLoadingThenTakes(type: TensorType, precision: KVPrecision?) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        try writeRandomModel(evenDimensions, type, to: path)
        let file = try ModelFile.open(path)
        var options = ComputeOptions(threads: 1, kvBlocks: 24, maxSequences: 5, maxBatchRows: 48)
        options.maxLogits = 3
        options.kvPrecision = precision
        let plan = try MemoryPlan(file: file, options: options)
        let model = try Model(file: file)
        let context = try ComputeContext(model: model, options: options)
        #expect(plan.weightBytes == model.weightBytes)
        #expect(plan.cacheBytes + plan.activationBytes == context.memoryBytes)
    }
}
