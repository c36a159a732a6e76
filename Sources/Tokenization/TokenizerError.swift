/// A tokenizer that cannot be read, is malformed, or is not Qwen2's kind.
package struct TokenizerError: Error, Equatable, CustomStringConvertible {
    /// The file or folder.
    package let path: String
    /// What is wrong, where in the file, and what would be right.
    package let reason: String

    package init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    /// One line: file, reason.
    package var description: String { "\(path): \(reason)" }
}
