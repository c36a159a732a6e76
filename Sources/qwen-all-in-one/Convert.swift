import ArgumentParser
import ModelFiles
import Tokenization

struct Convert: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a Hugging Face folder, or a GGUF file in another type, as one GGUF file.",
        discussion: """
            Matrices get the chosen type; norm weights and biases stay f32. The folder holds config.json, safetensors \
            (one file or shards) and the tokenizer; roles.json, an array of role names, is taken over when it is there. A \
            GGUF file's values are those of its type: from q8_0, f32 is no better. Other types than these are read (q4_k and the \
            like), not written.

            Example: qwen-all-in-one convert models/Qwen1.5-0.5B-Chat model.gguf --type q8_0
            """
    )

    @Argument(help: "A Hugging Face folder or a GGUF file.")
    var model: String

    @Argument(help: "The GGUF file to write.")
    var output: String

    @Option(help: "How matrices are stored.")
    var type = WeightType(.q8_0)

    func run() throws {
        let source = try ModelFile.open(model)
        let rows = try source.tensor("token_embd.weight").shape[0]
        let tokenizer = try Tokenizer.load(from: source).ggufMetadata(vocabularySize: rows)
        try Converter.convert(source, type: type.tensorType, tokenizer: tokenizer, to: output)
        let written = try ModelFile.open(output)
        print("\(output): \(written.tensors.count) tensors, \(written.fileBytes) bytes, \(type.tensorType.name)")
    }
}

/// A weight type on the command line, by name. A type of its own, because the argument parser would print the default of
/// an enum with raw values as the raw value.
struct WeightType: ExpressibleByArgument {
    let tensorType: TensorType

    init(_ tensorType: TensorType) { self.tensorType = tensorType }

    init?(argument: String) {
        guard let type = TensorType(name: argument), TensorType.writable.contains(type) else { return nil }
        tensorType = type
    }

    var defaultValueDescription: String { tensorType.name }
    static var allValueStrings: [String] { TensorType.writable.map(\.name) }
}
