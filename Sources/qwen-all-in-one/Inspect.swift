import ArgumentParser
import FoundationEssentials
import ModelFiles

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what a model file holds: metadata, tensors, sizes.",
        discussion: """
            Reads a GGUF file of any architecture or a Hugging Face folder. Long arrays show their first elements.

            Example: qwen-all-in-one inspect models/starter.gguf
            """
    )

    @Argument(help: "A GGUF file or a Hugging Face folder.")
    var path: String

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let inspection = Inspection(try ModelFile.open(path, anyArchitecture: true))
        guard json else { return print(inspection.text) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        print(String(decoding: try encoder.encode(inspection), as: UTF8.self))
    }
}
