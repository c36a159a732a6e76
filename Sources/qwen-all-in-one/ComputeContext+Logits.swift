import Inference
import ModelFiles

extension ComputeContext {
    /// Runs tokens from an empty cache, in chunks as large as the context takes, and shows the logits (vocabularyCount) that
    /// follow each position, or the last one only.
    func forEachLogits(
        of tokens: [TokenID],
        lastOnly: Bool = false,
        _ body: (_ position: Int, _ logits: UnsafeBufferPointer<Float>) -> Void
    ) {
        let blocks = (tokens.count + Self.blockTokens - 1) / Self.blockTokens
        setBlockTable(sequence: 0, blocks: 0..<Int32(blocks))
        let chunk = lastOnly ? maxBatchRows : min(maxBatchRows, maxSequences)
        for start in stride(from: 0, to: tokens.count, by: chunk) {
            let end = min(start + chunk, tokens.count)
            let rows = (start..<end).map { BatchRow(token: tokens[$0], position: Int32($0), sequence: 0) }
            let last = Int32(rows.count - 1)
            let outputs = !lastOnly ? Array(0...last) : end == tokens.count ? [last] : []
            forward(rows, outputs: outputs)
            computeLogits(outputs: 0..<outputs.count)
            for (index, output) in outputs.enumerated() { body(start + Int(output), logits(output: index)) }
        }
    }
}
