import ArgumentParser
import Glibc
import Roles
import Scheduling
import Service

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Talk with the model: one message as argument, or a conversation line by line.",
        discussion: "Example: qwen-all-in-one chat 最近工作压力好大"
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "Role that replies.") var role = "chat"
    @Flag(help: "Print JSON lines.") var json = false
    @Argument(help: "A message; without it, lines of standard input are.") var message: String?

    /// Turns that are sent along; older ones are forgotten.
    private static let maxTurns = 50

    func run() throws {
        let engine = try engine.startEngine()
        defer { engine.scheduler.stop() }
        try engine.checkReplies(role: role)
        var messages: [Message] = []
        if let message { return try turn(message, &messages, engine) }
        let isTerminal = isatty(STDIN_FILENO) != 0
        while true {
            if isTerminal { write("> ") }
            guard let line = readLine() else { break }
            guard line.contains(where: { !$0.isWhitespace }) else { continue }
            do {
                try turn(line, &messages, engine)
            } catch {
                guard isTerminal else { throw error }
                write("\(error)\n")  // the conversation goes on without that message
            }
        }
        if isTerminal { write("\n") }
    }

    private func turn(_ text: String, _ messages: inout [Message], _ engine: RoleEngine) throws {
        let asked = messages + [Message(author: .user, content: text)]
        let reply = try engine.reply(to: asked, role: role) { piece in
            if !json { write(piece) }
        }
        write(json ? reply.jsonLine(message: text) + "\n" : "\n")
        messages = asked + [Message(author: .assistant, content: reply.text)]
        messages.removeFirst(max(0, messages.count - 2 * Self.maxTurns))
    }

    /// Standard output at once, also in the middle of a line.
    private func write(_ text: String) {
        print(text, terminator: "")
        fflush(nil)
    }
}
