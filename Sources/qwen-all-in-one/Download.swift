import ArgumentParser
import Glibc
import ModelHub

struct Download: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fetch a model from Hugging Face or ModelScope, by the system's curl.",
        discussion: """
            Takes what the program reads of a repository: configuration, tokenizer and safetensors, or with --gguf one GGUF file. Every \
            file is compared with the checksum that the hub lists. Run again, it goes on where it stopped. A token comes from \
            HF_TOKEN or MODELSCOPE_API_TOKEN and goes to the hub or the mirror alone; proxies and certificates are curl's.

            Example: qwen-all-in-one download Qwen/Qwen1.5-0.5B-Chat --source modelscope
            """
    )

    @Argument(help: "The repository, as owner/name.")
    var model: String

    @Option(help: "The hub.")
    var source: Hub.Kind = .huggingface

    @Option(help: "Address of a mirror of the hub (default: HF_ENDPOINT for huggingface, or the hub itself).")
    var mirror: String?

    @Option(help: "Branch, tag or commit (default: main; master on modelscope).")
    var revision: String?

    @Option(help: "One GGUF file, by its name or a pattern such as '*q8_0.gguf'.")
    var gguf: String?

    @Option(name: [.short, .long], help: "Folder for the files (default: models/ and the repository's name).")
    var output: String?

    func run() throws {
        let repository = try RepositoryName(model)
        let endpoint = mirror ?? (source == .huggingface ? Self.variable("HF_ENDPOINT") : nil) ?? source.defaultEndpoint
        let hub = try Hub(source, endpoint: endpoint, token: Self.variable(source.tokenVariable))
        Self.reportInterrupts()
        signal(SIGPIPE, SIG_IGN)
        let path = try ModelHub.Download(
            repository,
            from: hub,
            revision: revision,
            gguf: gguf,
            folder: output ?? "models/\(repository.name)",
            progress: StandardErrorProgress()
        ).run()
        print("\(Self.quoted(CommandLine.arguments[0])) chat --model \(Self.quoted(path))")
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// What has come stays; the handler only says so.
    private static func reportInterrupts() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                let line: StaticString = "\nInterrupted; run the command again to go on where it stopped.\n"
                write(STDERR_FILENO, line.utf8Start, line.utf8CodeUnitCount)
                _exit(128 + number)
            }
        }
    }

    /// As one word of a shell's line.
    private static func quoted(_ word: String) -> String {
        let isPlain = word.utf8.allSatisfy { byte in
            Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
                || "/._-".utf8.contains(byte)
        }
        return isPlain
            ? word : "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
    }
}

extension Hub.Kind: ExpressibleByArgument {}
