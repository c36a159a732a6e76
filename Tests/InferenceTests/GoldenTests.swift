import FoundationEssentials
import ModelFiles
import Testing

@testable import Inference

/// The engine against transformers and a reference that rounds as it does (Tests/Reference/generate_golden_models.py).
struct GoldenTests {
    static let names = ["mha-tied", "gqa-untied", "qwen3-tied"]
    static let kinds = ["f32", "q8_0", "q4_0"]

    private struct Prompts: Decodable {
        let prompts: [[TokenID]]
        let greedyPrompt: [TokenID]
        let greedy: [TokenID]
    }

    private struct Golden {
        let prompts: Prompts
        let file: ModelFile
        let logits: [Float]  // (prompts, kinds, vocabulary)

        init(_ name: String) throws {
            let folder = "\(testFolder)/Golden/\(name)"
            prompts = try JSONDecoder().decode(
                Prompts.self,
                from: Data(contentsOf: URL(filePath: folder + "/prompts.json"))
            )
            file = try ModelFile.open(folder)
            let bytes = try Data(contentsOf: URL(filePath: folder + "/logits.bin"))
            logits = bytes.withUnsafeBytes { raw in
                stride(from: 0, to: raw.count, by: 4).map {
                    Float(bitPattern: UInt32(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
                }
            }
        }

        func logits(prompt: Int, kind: String) throws -> ArraySlice<Float> {
            let vocabulary = logits.count / prompts.prompts.count / kinds.count
            let index = prompt * kinds.count + (try #require(kinds.firstIndex(of: kind)))
            return logits[index * vocabulary..<(index + 1) * vocabulary]
        }

        /// The model with its matrices in another type.
        func model(as type: TensorType) throws -> Model {
            if type == .f32 { return try Model(file: file) }
            var writer = GGUFWriter()
            for key in file.metadataKeys { writer.add(key, try #require(file.metadata[key])) }
            for name in file.tensorNames {
                let view = try file.tensor(name)
                let values = (0..<view.elementCount).map {
                    view.bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
                }
                writer.addTensor(name, view.shape.count == 2 ? type : .f32, view.shape, values: values)
            }
            let folder = try TemporaryFolder()
            try writer.write(to: folder.path + "/model.gguf")
            return try Model(file: ModelFile.open(folder.path + "/model.gguf"))
        }
    }

    /// The relative error of each prompt's logits; the longest has 1,100 tokens.
    func errors(
        _ name: String,
        _ type: TensorType,
        against kind: String,
        _ set: InstructionSet,
        _ precision: KVPrecision? = nil
    ) throws -> [Double] {
        let golden = try Golden(name)
        let options = ComputeOptions(threads: 2, kvBlocks: 40, instructionSet: set, kvPrecision: precision)
        let context = try ComputeContext(model: golden.model(as: type), options: options)
        context.useAllBlocks()
        return try golden.prompts.prompts.indices.map { prompt in
            relativeError(
                context.lastLogits(golden.prompts.prompts[prompt]),
                try golden.logits(prompt: prompt, kind: kind)
            )
        }
    }

    private func worst(_ name: String, _ type: TensorType, against kind: String, _ set: InstructionSet) throws -> Double
    {
        try errors(name, type, against: kind, set).max() ?? .nan
    }

    static let sets = InstructionSet.allCases.filter { $0 == .generic || $0 == .best }
    static let cases = sets.flatMap { set in [TensorType.q8_0, .q4_0].map { (set: set, type: $0) } }

    @Test(arguments: names, sets)
    func f32MatchesTransformers(name: String, set: InstructionSet) throws {
        let error = try worst(name, .f32, against: "f32", set)
        #expect(error < 1e-4)
    }

    @Test(arguments: names, [TensorType.f16, .bf16])
    func halvesAreClose(name: String, type: TensorType) throws {
        #expect(try worst(name, type, against: "f32", .best) < 1e-2)
    }

    /// Of the Qwen3 model some prompts have an activation half way between two quants, which may fall to either.
    @Test(arguments: names, cases)
    func quantisedMatchesItsReference(name: String, run: (set: InstructionSet, type: TensorType)) throws {
        let errors = try errors(name, run.type, against: run.type.name, run.set).sorted()
        let clean = name == "qwen3-tied" ? errors.count / 3 : errors.count - 1
        #expect(errors[clean] < 1e-3)
        #expect(try #require(errors.last) < 2e-2)
    }

    /// Norms of heads make small errors of a query's or key's projection as large as the whole.
    @Test(arguments: names, [(TensorType.q8_0, 2e-2), (.q4_0, 2e-1)])
    func quantisedIsNearF32(name: String, limit: (type: TensorType, error: Double)) throws {
        let factor = name == "qwen3-tied" ? 1.5 : 1
        #expect(try worst(name, limit.type, against: "f32", .best) < factor * limit.error)
    }

    /// Rounding to int8 moves a key or value by some 0.7 % of itself, and the logits by as much; it moves activations over
    /// to other quants as well, each of which costs about the same. The worst are 6.6e-3 and 1.6e-2.
    @Test(arguments: names, [(TensorType.f32, 1e-2), (.q8_0, 2e-2)])
    func int8CacheIsNearTheReference(name: String, limit: (type: TensorType, error: Double)) throws {
        let errors = try errors(name, limit.type, against: limit.type.name, .best, .int8)
        #expect(try #require(errors.max()) < limit.error)
    }

    @Test(arguments: names, sets)
    func greedyContinuationIsTransformers(name: String, set: InstructionSet) throws {
        let golden = try Golden(name)
        let options = ComputeOptions(threads: 1, kvBlocks: 4, instructionSet: set)
        let context = try ComputeContext(model: golden.model(as: .f32), options: options)
        context.useAllBlocks()
        var logits = context.lastLogits(golden.prompts.greedyPrompt)
        var (generated, position) = ([TokenID](), Int32(golden.prompts.greedyPrompt.count))
        while generated.count < golden.prompts.greedy.count {
            let best = try #require(logits.indices.max { logits[$0] < logits[$1] })
            generated.append(TokenID(best))
            context.forward([BatchRow(token: TokenID(best), position: position, sequence: 0)], outputs: [0])
            context.computeLogits(outputs: 0..<1)
            logits = Array(context.logits(output: 0))
            position += 1
        }
        #expect(generated == golden.prompts.greedy)
        #expect(generated.count == 64)
    }
}
