import ArgumentParser
import Glibc
import Scheduling
import Service

struct Summarize: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Sum up a transcript, with its sentiment.",
        discussion: """
            Reads the JSON of openai-whisper (--output_format json) and of whisper.cpp (-oj, -ojf), and plain text. A transcript \
            that is longer than the role or the model takes is cut there, and the answer says so. Needs a model that offers the \
            role: any Qwen chat model does, the starter does not.

            Example: qwen-all-in-one summarize --model qwen1.5-0.5b-chat.gguf meeting.json
            """
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "Role that sums up.") var role = "summary"
    @Flag(help: "Print one JSON object.") var json = false
    @Argument(help: "Transcript.") var file: String

    func run() throws {
        let transcript = try Transcript(path: file)  // before the model is loaded
        let engine = try engine.startEngine()
        defer { engine.scheduler.stop() }
        let summary = try engine.summarize(transcript, role: role)
        print(json ? summary.jsonLine : summary.lines)
        if summary.reply.isTruncated, !json {
            let bytes = Array("The transcript was cut: it is longer than the role or the model takes.\n".utf8)
            _ = write(STDERR_FILENO, bytes, bytes.count)
        }
    }
}
