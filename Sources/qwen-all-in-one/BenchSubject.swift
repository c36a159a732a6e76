import Inference
import ModelFiles

/// What is measured.
enum BenchCase {
    /// Of a prompt of so many tokens, with the logits after the last one.
    case prefill(Int)
    /// Of `steps` tokens in each of `batch` sequences that have `context` tokens already. Coarse: by way of the coarse output
    /// matrix, with two exact logits in place of the few that trained weights leave to prove.
    case decode(context: Int, batch: Int, coarse: Bool = false)

    /// Steps of one measurement of `decode`.
    static let steps = 8

    /// Tokens that one measurement handles.
    var tokens: Int {
        switch self {
        case .prefill(let count): count
        case .decode(_, let batch, _): batch * Self.steps
        }
    }

    var name: String {
        switch self {
        case .prefill(let count): "prefill \(count)"
        case .decode(let context, let batch, let coarse):
            "decode at \(context), batch \(batch)" + (coarse ? ", coarse" : "")
        }
    }

    fileprivate var sequences: Int {
        if case .decode(_, let batch, _) = self { batch } else { 1 }
    }
    /// Tokens of one sequence at the end.
    fileprivate var length: Int {
        switch self {
        case .prefill(let count): count
        case .decode(let context, _, _): context + Self.steps
        }
    }
}

/// A model with room for every case.
struct BenchSubject {
    private static let chunk = 128  // the service's rows of one pass
    private let model: Model
    private let compute: ComputeContext

    init(model: Model, threads: Int, precision: KVPrecision?, cases: [BenchCase]) throws {
        self.model = model
        let blocks = cases.map { $0.sequences * Self.blocks($0.length) }.max() ?? 1
        let sequences = cases.map(\.sequences).max() ?? 1
        let options = ComputeOptions(
            threads: threads,
            kvBlocks: blocks,
            maxSequences: sequences,
            maxBatchRows: max(Self.chunk, sequences),
            kvPrecision: precision
        )
        compute = try ComputeContext(model: model, options: options)
    }

    /// Seconds of one measurement.
    func run(_ subject: BenchCase) -> Double {
        let blocks = Self.blocks(subject.length)
        for sequence in 0..<subject.sequences {
            let first = Int32(sequence * blocks)
            compute.setBlockTable(sequence: sequence, blocks: first..<first + Int32(blocks))
        }
        switch subject {
        case .prefill(let count): return measureSeconds { prefill(count) } ?? .infinity
        case .decode(let context, let batch, let coarse):
            // All sequences get the same keys and values: what they are does not matter to the speed.
            if context > 0 { prefill(context) }
            for sequence in 1..<max(2, batch) where sequence < batch {
                for block in 0..<Self.blocks(context) {
                    compute.copyBlock(from: Int32(block), to: Int32(sequence * blocks + block))
                }
            }
            return measureSeconds { decode(from: context, batch: batch, coarse: coarse) } ?? .infinity
        }
    }

    /// Tokens a second that the machine allows.
    func limit(_ subject: BenchCase, _ limits: MachineLimits) -> Double {
        var seconds = 0.0
        switch subject {
        case .prefill(let count):
            for start in stride(from: 0, to: count, by: Self.chunk) {
                let end = min(count, start + Self.chunk)
                let contexts = (start..<end).map { $0 + 1 }
                seconds += limits.seconds(cost(contexts, outputs: end == count ? 1 : 0, cached: end))
            }
        case .decode(let context, let batch, let coarse):
            for step in 0..<BenchCase.steps {
                let contexts = [Int](repeating: context + step + 1, count: batch)
                seconds += limits.seconds(
                    cost(contexts, outputs: batch, cached: contexts.reduce(0, +), coarse: coarse)
                )
            }
        }
        return seconds > 0 ? Double(subject.tokens) / seconds : 0
    }

    private func cost(_ contexts: [Int], outputs: Int, cached: Int, coarse: Bool = false) -> ForwardCost {
        model.cost(
            contexts: contexts,
            outputs: outputs,
            cached: cached,
            precision: compute.kvPrecision,
            coarse: coarse
        )
    }

    private static func blocks(_ tokens: Int) -> Int {
        (tokens + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens
    }

    private func token(_ index: Int) -> TokenID {
        TokenID(truncatingIfNeeded: (index &* 7919 &+ 13) % model.configuration.vocabularyCount)
    }

    private func prefill(_ count: Int) {
        for start in stride(from: 0, to: count, by: Self.chunk) {
            let end = min(count, start + Self.chunk)
            let rows = (start..<end).map { BatchRow(token: token($0), position: Int32($0), sequence: 0) }
            compute.forward(rows, outputs: end == count ? [Int32(rows.count - 1)] : [])
        }
        compute.computeLogits(outputs: 0..<1)
    }

    private func decode(from context: Int, batch: Int, coarse: Bool) {
        let outputs = [Int32](0..<Int32(batch))
        for step in 0..<BenchCase.steps {
            let position = context + step
            let rows = (0..<batch).map { sequence in
                BatchRow(token: token(position + sequence), position: Int32(position), sequence: Int32(sequence))
            }
            compute.forward(rows, outputs: outputs)
            guard coarse else {
                compute.computeLogits(outputs: 0..<batch)
                continue
            }
            compute.computeCoarseLogits(outputs: 0..<batch)
            for output in 0..<batch {
                for end in [1, model.configuration.vocabularyCount] {
                    _ = compute.rivals(of: 0, output: output, below: end)
                }
            }
        }
    }
}
