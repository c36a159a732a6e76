import ModelFiles
import Testing

@testable import Inference

/// A sequence's logits have the same bits however it is run.
struct SameBitsTests {
    static let sets = InstructionSet.allCases.filter { $0.kernels != nil }
    static let types = TensorType.writable

    private func prompt(_ count: Int, _ model: Model, seed: UInt64 = 11) -> [TokenID] {
        var random = SeededNumbers(seed)
        return random.tokens(count, below: Int32(model.configuration.vocabularyCount))
    }

    /// - Parameter precision: nil: of the model's weights.
    private func context(
        _ model: Model,
        _ set: InstructionSet,
        _ precision: KVPrecision? = nil,
        threads: Int = 1
    ) throws -> ComputeContext {
        let options = ComputeOptions(
            threads: threads,
            kvBlocks: 16,
            maxSequences: 3,
            maxBatchRows: 160,
            instructionSet: set,
            kvPrecision: precision
        )
        let context = try ComputeContext(model: model, options: options)
        context.useAllBlocks()
        return context
    }

    @Test(arguments: types, sets)
    func anyChunks(type: TensorType, set: InstructionSet) throws {
        let model = try randomModel(evenDimensions, type)
        let tokens = prompt(133, model)
        let whole = try context(model, set).lastLogits(tokens)
        #expect(whole.allSatisfy { $0.isFinite })
        for chunk in [1, 3, 7, 32, 64] {
            #expect(bits(try context(model, set).lastLogits(tokens, chunk: chunk)) == bits(whole), "chunks of \(chunk)")
        }
    }

    @Test(arguments: types, sets)
    func anyThreads(type: TensorType, set: InstructionSet) throws {
        let model = try randomModel(evenDimensions, type)
        let tokens = prompt(70, model)
        let one = try context(model, set).lastLogits(tokens)
        for threads in [2, 3] {
            #expect(
                bits(try context(model, set, threads: threads).lastLogits(tokens)) == bits(one),
                "\(threads) threads"
            )
        }
    }

    @Test(arguments: sets)
    func oddSizes(set: InstructionSet) throws {
        let model = try randomModel(oddDimensions, .f32)
        let tokens = prompt(75, model)
        let whole = try context(model, set).lastLogits(tokens)
        #expect(bits(try context(model, set, threads: 2).lastLogits(tokens, chunk: 5)) == bits(whole))
    }

    /// A cache in 8 bit, whose scales are those of single tokens.
    @Test(arguments: [(oddDimensions, TensorType.f32), (evenDimensions, .q8_0), (evenDimensions, .q4_0)], sets)
    func anyChunksAndThreadsWithInt8Cache(kind: (ModelDimensions, TensorType), set: InstructionSet) throws {
        let model = try randomModel(kind.0, kind.1)
        let tokens = prompt(133, model)
        let whole = try context(model, set, .int8).lastLogits(tokens)
        #expect(whole.allSatisfy { $0.isFinite })
        #expect(bits(whole) != bits(try context(model, set, .f16).lastLogits(tokens)))
        for (chunk, threads) in [(1, 1), (3, 2), (7, 3), (32, 1), (64, 2), (160, 3)] {
            let other = try context(model, set, .int8, threads: threads).lastLogits(tokens, chunk: chunk)
            #expect(bits(other) == bits(whole), "chunks of \(chunk), \(threads) threads")
        }
    }

    @Test(arguments: types, sets)
    func mixedBatch(type: TensorType, set: InstructionSet) throws { try mixedBatch(type, set, nil) }

    @Test(arguments: sets)
    func mixedBatchWithInt8Cache(set: InstructionSet) throws { try mixedBatch(.q8_0, set, .int8) }

    /// Three sequences in one batch, rows mixed, blocks scattered and full of another run's values.
    private func mixedBatch(_ type: TensorType, _ set: InstructionSet, _ precision: KVPrecision?) throws {
        let model = try randomModel(evenDimensions, type)
        let prompts = [prompt(50, model, seed: 1), prompt(41, model, seed: 2), prompt(50, model, seed: 3)]
        let alone = try prompts.map { try context(model, set, precision).lastLogits($0) }
        let mixed = try context(model, set, precision, threads: 2)
        _ = mixed.lastLogits(prompt(160, model, seed: 4))
        for (sequence, blocks) in [[9, 3], [4, 0], [1, 8]].enumerated() {
            mixed.setBlockTable(sequence: sequence, blocks: blocks.map { Int32($0) })
        }
        var rows: [BatchRow] = []
        for position in 0..<50 {
            for (sequence, tokens) in prompts.enumerated() where position < tokens.count {
                rows.append(BatchRow(token: tokens[position], position: Int32(position), sequence: Int32(sequence)))
            }
        }
        let lasts = prompts.indices.map { sequence in
            Int32(rows.lastIndex { $0.sequence == Int32(sequence) } ?? -1)
        }
        mixed.forward(rows, outputs: lasts)
        mixed.computeLogits(outputs: 0..<3)
        for sequence in prompts.indices { #expect(bits(mixed.logits(output: sequence)) == bits(alone[sequence])) }
    }

    /// An output has the same bits whichever other rows are outputs, and in any order.
    @Test(arguments: types, sets)
    func anyOutputs(type: TensorType, set: InstructionSet) throws {
        let model = try randomModel(evenDimensions, type)
        let context = try context(model, set)
        context.setBlockTable(sequence: 0, blocks: [0, 1])
        context.setBlockTable(sequence: 1, blocks: [2])
        let rows = zip(prompt(40, model), 0..<40).map { BatchRow(token: $0, position: $1, sequence: 0) }
        let others = zip(prompt(9, model, seed: 5), 0..<9).map { BatchRow(token: $0, position: $1, sequence: 1) }
        func logits(_ outputs: [Int32]) -> [[UInt32]] {
            context.forward(rows + others, outputs: outputs)
            context.computeLogits(outputs: 0..<outputs.count)
            return outputs.indices.map { bits(context.logits(output: $0)) }
        }
        let alone = [20, 39, 48].map { logits([$0])[0] }
        #expect(logits([20, 39, 48]) == alone)
        #expect(logits([48, 20, 39]) == [alone[2], alone[0], alone[1]])
        // A pass without outputs fills the cache just as well.
        _ = logits([])
        #expect(logits([39]) == [alone[1]])
    }

    @Test(arguments: types, sets)
    func someLogitsAreThoseOfAll(type: TensorType, set: InstructionSet) throws {
        let model = try randomModel(evenDimensions, type)
        let context = try context(model, set)
        let all = context.lastLogits(prompt(20, model))
        let wanted: [TokenID] = [96, 0, 15, 16, 33]
        var some = [Float](repeating: .nan, count: wanted.count)
        wanted.withUnsafeBufferPointer { context.computeLogits(output: 0, tokens: $0, into: &some) }
        #expect(bits(some) == wanted.map { all[Int($0)].bitPattern })
    }

    /// A copied block continues as the original would.
    @Test(arguments: KVPrecision.allCases) func copiedBlocks(precision: KVPrecision) throws {
        let model = try randomModel(evenDimensions, .q8_0)
        let tokens = prompt(60, model)
        let context = try context(model, .best, precision)
        let whole = context.lastLogits(tokens)
        context.copyBlock(from: 1, to: 7)
        context.setBlockTable(sequence: 2, blocks: [0, 7])
        context.forward([BatchRow(token: tokens[59], position: 59, sequence: 2)], outputs: [0])
        context.computeLogits(outputs: 0..<1)
        #expect(bits(context.logits(output: 0)) == bits(whole))
    }

    /// Of the order of float sums, and of the few values that it rounds another way in an F16 cache or to int8.
    private static func tolerance(_ type: TensorType) -> Double {
        switch type {
        case .f32: 1e-5
        case .f16, .bf16: 1e-3
        default: 5e-3
        }
    }

    /// Another instruction set agrees within rounding.
    @Test(arguments: types)
    func instructionSetsAgree(type: TensorType) throws {
        let model = try randomModel(evenDimensions, type)
        let tokens = prompt(100, model)
        let generic = try context(model, .generic).lastLogits(tokens)
        let best = try context(model, .best).lastLogits(tokens)
        #expect(relativeError(best, generic) < Self.tolerance(type))
        let generic8 = try context(model, .generic, .int8).lastLogits(tokens)
        let best8 = try context(model, .best, .int8).lastLogits(tokens)
        #expect(relativeError(best8, generic8) < Self.tolerance(.q8_0))
    }
}
