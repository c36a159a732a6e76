import ModelFiles
import Testing

@testable import Inference
@testable import ModelFiles

/// What is Qwen3's own; `GoldenTests` compares its logits with transformers'.
struct Qwen3Tests {
    static let dimensions: ModelDimensions = {
        var dimensions = evenDimensions
        dimensions.architecture = .qwen3
        dimensions.headDimension = 24  // 96 values of queries from a hidden size of 64
        return dimensions
    }()

    private func message(skipping name: String? = nil, extra: String? = nil) throws -> String {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        try writeRandomModel(Self.dimensions, .f32, to: path, skipping: name, extra: extra)
        do {
            _ = try Model(file: ModelFile.open(path))
            return "no error"
        } catch {
            return "\(error)".replacing(path, with: "x")
        }
    }

    @Test func readsItsOwnKeys() throws {
        let c = try randomModel(Self.dimensions, .f32).configuration
        #expect(c.architecture == .qwen3)
        #expect((c.headDimension, c.querySize, c.kvSize, c.hiddenSize) == (24, 96, 48, 64))
    }

    @Test func needsTheNormsOfHeads() throws {
        #expect(try message(skipping: "blk.1.attn_k_norm.weight") == "x: tensor 'blk.1.attn_k_norm.weight': is missing")
    }

    /// A tensor that is not in the forward pass would be missing from the answers.
    @Test func refusesTensorsThatItDoesNotKnow() throws {
        #expect(
            try message(extra: "blk.0.attn_q.bias") == "x: tensor 'blk.0.attn_q.bias': is not part of a qwen3 model"
        )
    }

    /// However its rows are cut up, and by every set of kernels alike where they fuse multiply and add.
    @Test(arguments: SameBitsTests.sets)
    func chunksAndThreadsMakeNoDifference(set: InstructionSet) throws {
        let model = try randomModel(Self.dimensions, .q8_0)
        var random = SeededNumbers(12)
        let tokens = random.tokens(70, below: 97)
        let logits = try [(1, 70), (1, 1), (2, 7), (2, 33)].map { threads, chunk in
            let options = ComputeOptions(threads: threads, kvBlocks: 8, maxBatchRows: 80, instructionSet: set)
            let context = try ComputeContext(model: model, options: options)
            context.useAllBlocks()
            return bits(context.lastLogits(tokens, chunk: chunk))
        }
        for other in logits.dropFirst() { #expect(other == logits[0]) }
    }
}
