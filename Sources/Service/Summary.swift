import Roles

/// A transcript's summary, with the verdicts that its role asks for.
package struct Summary: Sendable {
    package let reply: Reply
    /// By role, in the role's order.
    package let verdicts: [(role: String, verdict: LabelVerdict)]
    package let format: Transcript.Format

    /// The summary, then a line for each verdict; what was cut is said.
    package var lines: String {
        var lines = [reply.text]
        for (role, verdict) in verdicts {
            let percent = (verdict.probability * 100).rounded(decimals: 1)
            let notes = [verdict.isAbstained ? "undecided" : nil, verdict.isTruncated ? "by the beginning" : nil]
            let note = notes.compactMap { $0 }.joined(separator: ", ")
            lines.append("\(role): \(verdict.label) \(percent)%" + (note.isEmpty ? "" : " (\(note))"))
        }
        return lines.joined(separator: "\n")
    }

    package var jsonLine: String {
        let line: JSONValue = [
            "summary": .string(reply.text),
            "labels": .object(verdicts.map { JSONValue.Member(name: $0.role, value: $0.verdict.json) }),
            "format": .string(format.rawValue), "truncated": .bool(reply.isTruncated),
            "prompt_tokens": .integer(reply.promptTokens), "completion_tokens": .integer(reply.completionTokens),
            "seconds": .number(reply.seconds.rounded(decimals: 4)),
        ]
        return String(decoding: line.encoded, as: UTF8.self)
    }
}

extension RoleEngine {
    /// Sums a transcript up by a role that replies, and judges it by the roles that annotate that one.
    package func summarize(_ transcript: Transcript, role name: String) throws(ServiceError) -> Summary {
        try checkReplies(role: name)
        let message = Message(author: .user, content: transcript.text)
        let reply = try reply(to: [message], role: name) { _ in }
        var verdicts: [(role: String, verdict: LabelVerdict)] = []
        for note in roles[name]?.annotate ?? [] {
            verdicts += try classify([transcript.text], role: note).map { (note, $0) }
        }
        return Summary(reply: reply, verdicts: verdicts, format: transcript.format)
    }
}
