import Roles
import Scheduling

/// A prompt of each kind run before the service calls itself ready: proof that the model, its tokenizer and the roles
/// work together.
struct Canary {
    let engine: RoleEngine

    /// A line for the log.
    func run() throws(ServiceError) -> String {
        var findings: [String] = []
        for role in engine.roles.roles {
            if role.labels != nil {
                let verdict = try engine.classify(["今天的服务很好。"], role: role.name)
                findings += verdict.map { "\(role.name): \($0.label) \($0.probability.rounded(decimals: 4))" }
            } else {
                let messages = [Message(author: .user, content: "你好")]
                let reply = try engine.reply(to: messages, role: role.name, maxTokens: 8, generating: true) { _ in }
                findings.append("\(role.name): \(reply.completionTokens) tokens")
            }
        }
        return findings.joined(separator: ", ")
    }
}
