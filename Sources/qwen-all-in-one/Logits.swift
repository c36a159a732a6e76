import ArgumentParser
import Glibc
import Inference
import ModelFiles
import Service

/// Writes the model's logits for token ids, so that scripts can compare engines.
struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write the logits that follow token ids to a file.",
        discussion: """
            The file holds little-endian F32: the vocabulary's logits after the last token, or with --all after each one, \
            position by position.

            Example: qwen-all-in-one logits --model models/starter.gguf --ids 1,2,3 --out logits.f32
            """
    )

    @Option(help: "A GGUF file or a Hugging Face folder.") var model = "models/starter.gguf"
    @Option(help: "Token ids, as in 1,2,3.") var ids: String
    @Flag(help: "Every position, not only the last.") var all = false
    @Option(help: "The file to write.") var out: String
    @Option(help: "Tokens of one forward pass; the result does not depend on it.") var prefillChunk = 64
    @OptionGroup var cache: CacheOptions
    @Option(help: "Compute threads; the result does not depend on them.") var threads = ComputeOptions.onlineProcessors
    @Option(help: "Instruction set: generic, avx2, avx512 or neon; the best one by default.") var isa: String?

    func validate() throws {
        guard (1...4096).contains(prefillChunk) else { throw ValidationError("--prefill-chunk must be 1 to 4096.") }
        guard (1...256).contains(threads) else { throw ValidationError("--threads must be 1 to 256.") }
        if let isa, InstructionSet(rawValue: isa) == nil {
            throw ValidationError(
                "--isa must be one of \(InstructionSet.allCases.map(\.rawValue).joined(separator: ", "))."
            )
        }
    }

    func run() throws {
        let model = try Model(file: try ModelFile.open(model))
        let ids = try tokenIDs(model.configuration)
        let blocks = (ids.count + ComputeContext.blockTokens - 1) / ComputeContext.blockTokens
        let options = ComputeOptions(
            threads: threads,
            kvBlocks: blocks,
            maxSequences: all ? min(prefillChunk, ids.count) : 1,
            maxBatchRows: prefillChunk,
            instructionSet: isa.flatMap(InstructionSet.init),
            kvPrecision: cache.kvPrecision
        )
        let context = try ComputeContext(model: model, options: options)
        try write { stream in
            var isWritten = true
            context.forEachLogits(of: ids, lastOnly: !all) { _, logits in
                // Little-endian, as every machine is that this runs on.
                let written = fwrite(logits.baseAddress, MemoryLayout<Float>.stride, logits.count, stream)
                isWritten = isWritten && written == logits.count
            }
            return isWritten
        }
    }

    private func tokenIDs(_ configuration: ModelConfiguration) throws -> [TokenID] {
        let tokens = try ids.split(separator: ",").map { part in
            guard let id = TokenID(part.filter { $0 != " " }) else {
                throw ServiceError("'\(part)' in --ids is no token id")
            }
            return id
        }
        guard (1...configuration.contextLength).contains(tokens.count) else {
            throw ServiceError("--ids has \(tokens.count) tokens; the model takes 1 to \(configuration.contextLength)")
        }
        if let id = tokens.first(where: { $0 < 0 || Int($0) >= configuration.vocabularyCount }) {
            throw ServiceError("--ids: there is no token \(id); ids end at \(configuration.vocabularyCount - 1)")
        }
        return tokens
    }

    /// - Parameter body: false as soon as a write fails.
    private func write(_ body: (UnsafeMutablePointer<FILE>) -> Bool) throws {
        guard let stream = fopen(out, "wb") else {
            throw ServiceError("cannot write \(out): \(String(cString: strerror(errno)))")
        }
        let isWritten = body(stream)
        let error = errno
        guard fclose(stream) == 0, isWritten else {
            throw ServiceError("cannot write \(out): \(String(cString: strerror(isWritten ? errno : error)))")
        }
    }
}
