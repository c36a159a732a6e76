import ArgumentParser
import FastCGI
import Service

@main
enum Main {
    /// On the process's first thread: what the kernel keeps for each thread, such as the signal for a parent's death, is kept
    /// by the one that starts the program over.
    @MainActor
    static func main() async {
        if CommandLine.arguments.dropFirst().first == "serve" { ProcessHeap.settle() }
        await QwenAllInOne.main()
    }
}

/// The command line: one file a subcommand; each parses flags, wires the targets, runs and prints.
struct QwenAllInOne: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "qwen-all-in-one",
        abstract: "One Qwen model on plain CPU: strict sentiment labels and short chat behind FastCGI.",
        discussion: "Example: qwen-all-in-one classify --model models/starter.gguf 今天真开心",
        version: Build.version,
        subcommands: [
            Serve.self, Classify.self, Chat.self, Evaluate.self, Calibrate.self, Summarize.self, Check.self,
            Download.self, Convert.self, Synthesize.self, Inspect.self, Tokenize.self, Logits.self, Perplexity.self,
            Bench.self, Keys.self,
        ]
    )
}
