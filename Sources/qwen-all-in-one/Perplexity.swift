import ArgumentParser
import Glibc
import Inference
import ModelFiles
import Service
import Tokenization

/// Measures what a weight type costs: the same texts under the same model in several types.
struct Perplexity: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how well a model predicts texts.",
        discussion: """
            Standard input has one text a line, or with --jsonl one JSON string a line. Each text stands alone, and its first \
            token is given. Prints the number of texts and of predicted tokens, the mean of -ln p, and e to that power.

            Example: qwen-all-in-one perplexity --model models/starter.gguf < texts.txt
            """
    )

    @Option(help: "A GGUF file or a Hugging Face folder.") var model = "models/starter.gguf"
    @Flag(help: "One JSON string a line.") var jsonl = false
    @Option(help: "Tokens of each text that count, from its start.") var maxTokens = 512
    @OptionGroup var cache: CacheOptions
    @Option(help: "Compute threads; the result does not depend on them.") var threads = ComputeOptions.onlineProcessors

    private static let chunk = 64

    func validate() throws {
        guard (2...1 << 20).contains(maxTokens) else { throw ValidationError("--max-tokens must be 2 to \(1 << 20).") }
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256.") }
    }

    func run() throws {
        let file = try ModelFile.open(model)
        let tokenizer = try Tokenizer.load(from: file)
        let model = try Model(file: file)
        let limit = min(maxTokens, model.configuration.contextLength)
        let options = ComputeOptions(
            threads: threads,
            kvBlocks: (limit + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens,
            maxSequences: Self.chunk,
            maxBatchRows: Self.chunk,
            kvPrecision: cache.kvPrecision
        )
        let context = try ComputeContext(model: model, options: options)
        var (texts, count, sum) = (0, 0, 0.0)
        while let line = readLine(strippingNewline: true) {
            texts += 1
            let tokens = Array(tokenizer.encode(try text(line, number: texts)).prefix(limit))
            context.forEachLogits(of: tokens) { position, logits in
                guard position + 1 < tokens.count else { return }
                sum += Self.surprise(logits, at: tokens[position + 1])
                count += 1
            }
        }
        guard count > 0 else { throw ServiceError("standard input has no text of two tokens or more") }
        let mean = sum / Double(count)
        print("texts \(texts), tokens \(count), mean \(mean), perplexity \(exp(mean))")
    }

    /// In UTF-8.
    private func text(_ line: String, number: Int) throws -> [UInt8] {
        guard jsonl else { return Array(line.utf8) }
        var scanner = JSONScanner(Array(line.utf8), path: "standard input, line \(number)")
        let text = try scanner.string()
        try scanner.finish()
        return Array(text)
    }

    /// -ln of the softmax's value for the token.
    private static func surprise(_ logits: UnsafeBufferPointer<Float>, at token: TokenID) -> Double {
        let maximum = logits.max() ?? 0
        let sum = logits.reduce(0.0) { $0 + exp(Double($1 - maximum)) }
        return log(sum) - Double(logits[Int(token)] - maximum)
    }
}
