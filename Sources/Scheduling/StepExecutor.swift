import Inference
import ModelFiles

/// What the engine needs of a compute context. See `ComputeContext` for the meaning of each call.
protocol StepExecutor: AnyObject {
    func setBlockTable(sequence: Int, blocks: [Int32])
    func copyBlock(from: Int32, to: Int32)
    func run(_ rows: UnsafeBufferPointer<BatchRow>, outputs: UnsafeBufferPointer<Int32>)
    func computeLogits(output: Int, tokens: UnsafeBufferPointer<TokenID>, into: UnsafeMutablePointer<Float>)
    func computeLogits(outputs: Range<Int>)
    func logits(output: Int) -> UnsafeBufferPointer<Float>
    var hasCoarseOutput: Bool { get }
    func computeCoarseLogits(outputs: Range<Int>)
    func rivals(of best: TokenID, output: Int, below limit: Int) -> Rivals?
}

/// The real one.
final class ModelExecutor: StepExecutor {
    private let context: ComputeContext

    init(_ context: ComputeContext) {
        self.context = context
    }

    func setBlockTable(sequence: Int, blocks: [Int32]) {
        context.setBlockTable(sequence: sequence, blocks: blocks)
    }

    func copyBlock(from: Int32, to: Int32) {
        context.copyBlock(from: from, to: to)
    }

    func run(_ rows: UnsafeBufferPointer<BatchRow>, outputs: UnsafeBufferPointer<Int32>) {
        context.forward(rows, outputs: outputs)
    }

    func computeLogits(output: Int, tokens: UnsafeBufferPointer<TokenID>, into: UnsafeMutablePointer<Float>) {
        context.computeLogits(output: output, tokens: tokens, into: into)
    }

    func computeLogits(outputs: Range<Int>) {
        context.computeLogits(outputs: outputs)
    }

    func logits(output: Int) -> UnsafeBufferPointer<Float> {
        context.logits(output: output)
    }

    var hasCoarseOutput: Bool { context.hasCoarseOutput }

    func computeCoarseLogits(outputs: Range<Int>) {
        context.computeCoarseLogits(outputs: outputs)
    }

    func rivals(of best: TokenID, output: Int, below limit: Int) -> Rivals? {
        context.rivals(of: best, output: output, below: limit)
    }
}
