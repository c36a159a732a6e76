import ArgumentParser
import ModelFiles
import Tokenization

struct Synthesize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a GGUF file with random weights at a named shape.",
        discussion: """
            The same arguments give the same bytes. Engine benchmarks run at the real size without a download.

            Example: qwen-all-in-one synthesize random.gguf --shape qwen1.5-0.5b --type q8_0 --tokenizer models/starter.gguf
            """
    )

    @Argument(help: "The GGUF file to write.")
    var output: String

    @Option(help: "The model's shape.")
    var shape: ModelShape = .qwen15Half

    @Option(help: "How matrices are stored.")
    var type = WeightType(.q8_0)

    @Option(help: "Seed of the random weights.")
    var seed: UInt64 = 1

    @Option(help: "Where the tokenizer is taken from: a Hugging Face folder or a GGUF file.")
    var tokenizer: String

    func run() throws {
        let tokenizer = try Self.loadTokenizer(self.tokenizer)
        let dimensions = shape.dimensions(tokenCount: tokenizer.count)
        try Synthesizer.synthesize(
            dimensions,
            name: "Random \(shape.rawValue), seed \(seed)",
            type: type.tensorType,
            seed: seed,
            tokenizer: tokenizer.ggufMetadata(vocabularySize: dimensions.vocabularyCount),
            to: output
        )
        let written = try ModelFile.open(output)
        print("\(output): \(written.tensors.count) tensors, \(written.fileBytes) bytes, \(type.tensorType.name)")
    }

    private static func loadTokenizer(_ path: String) throws -> Tokenizer {
        if path.hasSuffix(".gguf") { return try Tokenizer.load(from: try ModelFile.open(path)) }
        return try Tokenizer.load(folder: path)
    }
}

extension ModelShape: ExpressibleByArgument {}
