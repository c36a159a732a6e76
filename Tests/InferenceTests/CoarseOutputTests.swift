import CKernels
import ModelFiles
import Testing

@testable import Inference

/// The coarse output matrix: its bound holds, and what it proves is the greatest of the exact logits.
@Suite struct CoarseOutputTests {
    private static let types: [TensorType] = [.f32, .f16, .bf16, .q8_0]

    private func model(_ type: TensorType, coarse: Bool = true) throws -> Model {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        try writeRandomModel(evenDimensions, type, to: path)
        return try Model(file: ModelFile.open(path), coarseOutput: coarse)
    }

    private func context(_ model: Model, _ set: InstructionSet? = nil) throws -> ComputeContext {
        let context = try ComputeContext(
            model: model,
            options: ComputeOptions(threads: 2, kvBlocks: 8, instructionSet: set)
        )
        context.useAllBlocks()
        return context
    }

    /// Every set of kernels rounds in its own way: the bound has to hold for each.
    @Test(arguments: types, InstructionSet.allCases.filter { $0.kernels != nil })
    func noExactLogitIsFurtherAwayThanTheBound(type: TensorType, set: InstructionSet) throws {
        let model = try model(type)
        let context = try context(model, set)
        let coarse = try #require(model.weights.coarseHead)
        var closest = Float.infinity
        for seed in 0..<40 {
            let exact = context.lastLogits((0...seed).map { TokenID(($0 * 31 + seed * 7) % 97) })
            context.computeCoarseLogits(outputs: 0..<1)
            let near = context.logits(output: 0)
            var final = context.activations.final
            let margin = ck_coarse_margin(&final, 0, 64, model.weights.lmHead.takesQuantizedInput)
            for row in 0..<97 {
                let allowed = coarse.residuals[row] * margin.residual + coarse.norms[row] * margin.norm
                let off = abs(exact[row] - near[row])
                #expect(off <= allowed, "row \(row) of input \(seed)")
                closest = min(closest, allowed - off)
            }
        }
        // A bound that is far too wide would pass all of that.
        #expect(closest < 0.5)
    }

    @Test(arguments: types)
    func rivalsHoldTheGreatestLogitWithItsBits(type: TensorType) throws {
        let context = try context(model(type))
        var proved = 0
        for seed in 0..<60 {
            let exact = context.lastLogits((0...seed).map { TokenID(($0 * 17 + seed * 5) % 97) })
            for limit in [97, 90, 3] {
                context.computeCoarseLogits(outputs: 0..<1)
                let near = context.logits(output: 0).prefix(limit)
                let best = try #require(near.indices.max { near[$0] < near[$1] })
                guard let rivals = context.rivals(of: TokenID(best), output: 0, below: limit) else { continue }
                proved += 1
                #expect(rivals.logits.map(\.bitPattern) == rivals.tokens.map { exact[Int($0)].bitPattern })
                #expect(rivals.tokens.contains(TokenID(best)))
                #expect(zip(rivals.tokens, rivals.tokens.dropFirst()).allSatisfy { $0 < $1 })
                #expect(rivals.logits.max() == exact.prefix(limit).max())
            }
        }
        #expect(proved > 60)
    }

    @Test func theExactLogitsStayAsTheyAre() throws {
        let tokens: [TokenID] = [3, 1, 4, 1, 5, 9, 2, 6]
        for type in Self.types {
            let plain = try context(model(type, coarse: false)).lastLogits(tokens)
            #expect(try context(model(type)).lastLogits(tokens).map(\.bitPattern) == plain.map(\.bitPattern))
        }
    }

    @Test func aMatrixInQ4HasNoCoarseCopyAndNoneIsMadeUnasked() throws {
        let (q4, q8) = (try model(.q4_0), try model(.q8_0, coarse: false))
        #expect(!q4.hasCoarseOutput && !q8.hasCoarseOutput)
        #expect(try context(q4).rivals(of: 0, output: 0, below: 97) == nil)
    }

    @Test func anInfiniteWeightIsAlwaysARival() throws {
        var values = [Float](repeating: 0.25, count: 64 * 32)
        values[5 * 64 + 7] = .infinity
        values[9 * 64] = .nan
        let source = values.withUnsafeBytes(Array.init)
        let pool = try ThreadPool(threads: 1)
        var data = [UInt8](repeating: 0, count: 64 * 32 * 4), coarse = data
        var (residuals, norms) = ([Float](repeating: 0, count: 32), [Float](repeating: 0, count: 32))
        var matrix = ck_pack(pool.raw, UInt32(CK_F32), 32, 64, source, &data)
        _ = ck_coarsen(pool.raw, &matrix, &coarse, &residuals, &norms)
        for row in 0..<32 { #expect(residuals[row].isInfinite == (row == 5 || row == 9)) }
        #expect(norms[0] >= 2 && norms[0] < 2.0001)
    }

    @Test func thePlanCountsTheCopy() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/model.gguf"
        try writeRandomModel(evenDimensions, .q8_0, to: path)
        let file = try ModelFile.open(path)
        let options = ComputeOptions()
        let plain = try MemoryPlan(file: file, options: options)
        let coarse = try MemoryPlan(file: file, options: options, coarseOutput: true)
        #expect(coarse.weightBytes == (try Model(file: file, coarseOutput: true)).weightBytes)
        #expect(coarse.weightBytes > plain.weightBytes)
    }
}
