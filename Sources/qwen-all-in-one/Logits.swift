import ArgumentParser
import Inference
import ModelFiles
import Tokenization

/// Prints the logits that follow a text or token ids, so that scripts can compare engines.
struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print the logits of the next token after a text or token ids.",
        discussion: "The text is taken as it stands, without a chat template; nothing in it becomes a control token."
    )

    @Argument(help: "A GGUF file or a Hugging Face folder.") var model: String
    @Argument(help: "The text.") var text: String?
    @Option(help: "Token ids instead of a text, as in 1,2,3.") var tokens: String?
    @Option(help: "How many of the largest logits to print.") var top = 10
    @Flag(help: "Print all logits, in the order of the ids.") var all = false
    @Flag(help: "Print one line of JSON.") var json = false
    @Option(help: "Compute threads.") var threads = ComputeOptions.onlineProcessors
    @Option(help: "Instruction set: generic or avx2; the best one by default.") var isa: String?

    func validate() throws {
        guard (text == nil) != (tokens == nil) else { throw ValidationError("Give either a text or --tokens.") }
        guard top >= 1 else { throw ValidationError("--top must be at least 1.") }
        if let isa, InstructionSet(rawValue: isa) == nil {
            throw ValidationError(
                "--isa must be one of \(InstructionSet.allCases.map(\.rawValue).joined(separator: ", "))."
            )
        }
    }

    func run() throws {
        let file = try ModelFile.open(model)
        let ids = try tokenIDs(file)
        let model = try Model(file: file)
        let limit = model.configuration.contextLength
        guard (1...limit).contains(ids.count) else {
            throw ValidationError("There are \(ids.count) tokens; the model takes 1 to \(limit).")
        }
        if let id = ids.first(where: { $0 < 0 || Int($0) >= model.configuration.vocabularyCount }) {
            throw ValidationError("There is no token \(id); ids end at \(model.configuration.vocabularyCount - 1).")
        }
        let logits = try compute(model, ids)
        let order = all ? Array(logits.indices) : Array(logits.indices.sorted { logits[$0] > logits[$1] }.prefix(top))
        print(json ? jsonLine(ids, logits, order) : order.map { "\($0)\t\(logits[$0])" }.joined(separator: "\n"))
    }

    private func tokenIDs(_ file: ModelFile) throws -> [TokenID] {
        if let text { return try Tokenizer.load(from: file).encode(text) }
        return try (tokens ?? "").split(separator: ",").map { part in
            guard let id = TokenID(part.filter { $0 != " " }) else {
                throw ValidationError("'\(part)' is no token id.")
            }
            return id
        }
    }

    /// Logits after the last token.
    private func compute(_ model: Model, _ ids: [TokenID]) throws -> [Float] {
        let blocks = (ids.count + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens
        let options = ComputeOptions(
            threads: threads,
            kvBlocks: blocks,
            maxSequences: 1,
            instructionSet: isa.flatMap(InstructionSet.init)
        )
        let context = try ComputeContext(model: model, options: options)
        context.setBlockTable(sequence: 0, blocks: 0..<Int32(blocks))
        for start in stride(from: 0, to: ids.count, by: context.maxBatchRows) {
            let end = min(start + context.maxBatchRows, ids.count)
            let rows = (start..<end).map { BatchRow(token: ids[$0], position: Int32($0), sequence: 0) }
            context.forward(rows, outputs: end == ids.count ? [Int32(rows.count - 1)] : [])
        }
        context.computeLogits(outputs: 0..<1)
        return Array(context.logits(output: 0))
    }

    /// `{"tokens":[…],"ids":[…],"logits":[…]}`; a logit that is no number is null.
    private func jsonLine(_ tokens: [TokenID], _ logits: [Float], _ order: [Int]) -> String {
        func list(_ items: [String]) -> String { "[" + items.joined(separator: ",") + "]" }
        let values = order.map { logits[$0].isFinite ? "\(logits[$0])" : "null" }
        return
            "{\"tokens\":\(list(tokens.map { "\($0)" })),\"ids\":\(list(order.map { "\($0)" })),\"logits\":\(list(values))}"
    }
}
