import Inference
import ModelFiles

@testable import Scheduling

/// A deterministic model without arithmetic: the "keys" of a token are a hash of it and its position, kept in KV blocks
/// through the block table; logits hash all keys up to the position. So a wrong block, order or rewind changes tokens.
final class ToyExecutor: StepExecutor {
    let vocabularyCount: Int
    private var cache: [UInt64]
    private var tables: [[Int32]]
    private var hidden: [UInt64] = []
    private let values: UnsafeMutableBufferPointer<Float>  // (maxSequences, vocabularyCount)
    private var isPoisoned: [Bool] = []
    /// Rows of every step so far.
    private(set) var batches: [[BatchRow]] = []
    private(set) var copies = 0
    /// After this token, logits are NaN.
    var poison: TokenID?
    /// How far the coarse logits are off at most; nil: there are none.
    var coarseError: Float?
    /// Outputs of every coarse pass so far.
    private(set) var coarsePasses: [Range<Int>] = []
    private let rivalTokens: UnsafeMutableBufferPointer<TokenID>
    private let rivalLogits: UnsafeMutableBufferPointer<Float>
    /// Runs on the engine's thread in every step.
    var onRun: (@Sendable () -> Void)?

    init(kvBlocks: Int, maxSequences: Int, vocabularyCount: Int = 97) {
        self.vocabularyCount = vocabularyCount
        cache = Array(repeating: 0xDEAD, count: kvBlocks * ComputeContext.blockTokens)
        tables = Array(repeating: [], count: maxSequences)
        values = .allocate(capacity: maxSequences * vocabularyCount)
        values.initialize(repeating: .nan)
        rivalTokens = .allocate(capacity: 8)
        rivalLogits = .allocate(capacity: 8)
    }

    deinit {
        rivalTokens.deallocate()
        rivalLogits.deallocate()
        values.deallocate()
    }

    func setBlockTable(sequence: Int, blocks: [Int32]) {
        tables[sequence] = blocks
    }

    func copyBlock(from: Int32, to: Int32) {
        copies += 1
        for offset in 0..<ComputeContext.blockTokens {
            cache[Int(to) * ComputeContext.blockTokens + offset] =
                cache[
                    Int(from) * ComputeContext.blockTokens + offset
                ]
        }
    }

    func run(_ rows: UnsafeBufferPointer<BatchRow>, outputs: UnsafeBufferPointer<Int32>) {
        onRun?()
        batches.append(Array(rows))
        for row in rows {
            cache[place(row.sequence, Int(row.position))] = Toy.key(row.token, position: Int(row.position))
        }
        hidden = outputs.map { output in
            let row = rows[Int(output)]
            return (0...Int(row.position)).reduce(0) { Toy.mix($0 ^ cache[place(row.sequence, $1)]) }
        }
        isPoisoned = outputs.map { rows[Int($0)].token == poison }
        values.update(repeating: .nan)
    }

    func computeLogits(output: Int, tokens: UnsafeBufferPointer<TokenID>, into: UnsafeMutablePointer<Float>) {
        for (index, token) in tokens.enumerated() {
            into[index] = isPoisoned[output] ? .nan : Toy.logit(hidden[output], token)
        }
    }

    func computeLogits(outputs: Range<Int>) {
        for output in outputs where !isPoisoned[output] {
            for token in 0..<vocabularyCount {
                values[output * vocabularyCount + token] = Toy.logit(hidden[output], TokenID(token))
            }
        }
    }

    func logits(output: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(rebasing: values[output * vocabularyCount..<(output + 1) * vocabularyCount])
    }

    var hasCoarseOutput: Bool { coarseError != nil }

    func computeCoarseLogits(outputs: Range<Int>) {
        coarsePasses.append(outputs)
        computeLogits(outputs: outputs)
        for index in outputs.lowerBound * vocabularyCount..<outputs.upperBound * vocabularyCount {
            values[index] += index % 3 == 0 ? (coarseError ?? 0) : -(coarseError ?? 0)
        }
    }

    func rivals(of best: TokenID, output: Int, below limit: Int) -> Rivals? {
        let least = Toy.logit(hidden[output], best) - 2 * (coarseError ?? 0)
        var count = 0
        for token in 0..<TokenID(min(limit, vocabularyCount)) {
            let logit = Toy.logit(hidden[output], token)
            guard logit >= least else { continue }
            guard count < rivalTokens.count else { return nil }
            (rivalTokens[count], rivalLogits[count]) = (token, isPoisoned[output] ? .nan : logit)
            count += 1
        }
        return Rivals(
            tokens: UnsafeBufferPointer(rebasing: rivalTokens[..<count]),
            logits: UnsafeBufferPointer(rebasing: rivalLogits[..<count])
        )
    }

    private func place(_ sequence: Int32, _ position: Int) -> Int {
        let block = tables[Int(sequence)][position / ComputeContext.blockTokens]
        return Int(block) * ComputeContext.blockTokens + position % ComputeContext.blockTokens
    }
}

/// The toy model as plain functions, to compare with.
enum Toy {
    static func mix(_ value: UInt64) -> UInt64 {
        var x = value &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
        return x ^ (x >> 31)
    }

    static func key(_ token: TokenID, position: Int) -> UInt64 {
        mix(UInt64(UInt32(bitPattern: token)) << 32 | UInt64(position))
    }

    static func logit(_ hidden: UInt64, _ token: TokenID) -> Float {
        Float(mix(hidden ^ UInt64(UInt32(bitPattern: token))) >> 44) / 1000
    }

    static func hidden(_ tokens: [TokenID]) -> UInt64 {
        tokens.enumerated().reduce(0) { mix($0 ^ key($1.element, position: $1.offset)) }
    }

    static func logits(after tokens: [TokenID], vocabularyCount: Int = 97) -> [Float] {
        let hidden = hidden(tokens)
        return (0..<vocabularyCount).map { logit(hidden, TokenID($0)) }
    }

    /// What a lone greedy decoder without any cache would emit.
    static func continuation(of prompt: [TokenID], count: Int, stop: [TokenID] = []) -> [TokenID] {
        var tokens = prompt
        for _ in 0..<count {
            let logits = logits(after: tokens)
            let best = logits.indices.max { logits[$0] < logits[$1] || (logits[$0] == logits[$1] && $0 > $1) } ?? 0
            if stop.contains(TokenID(best)) { break }
            tokens.append(TokenID(best))
        }
        return Array(tokens.dropFirst(prompt.count))
    }
}
