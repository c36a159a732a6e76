/// A model or options that the engine cannot run.
package struct ModelError: Error, Equatable, CustomStringConvertible {
    /// The model's file or folder; nil when it is about options or the machine.
    package let path: String?
    /// What in the file: `tensor 'blk.0.attn_q.weight'`, `key 'qwen2.block_count'`; nil for the model as a whole.
    package let subject: String?
    package let reason: String

    package init(path: String? = nil, subject: String? = nil, reason: String) {
        self.path = path
        self.subject = subject
        self.reason = reason
    }

    static func tensor(_ name: String, in path: String, _ reason: String) -> Self {
        Self(path: path, subject: "tensor '\(name)'", reason: reason)
    }

    static func key(_ key: String, in path: String, _ reason: String) -> Self {
        Self(path: path, subject: "key '\(key)'", reason: reason)
    }

    /// One line: file, place in it, reason.
    package var description: String {
        [path, subject, reason].compactMap { $0 }.joined(separator: ": ")
    }
}
