/// A model file that cannot be read, is malformed or does not fit; also failures to write one.
package struct ModelFileError: Error, Equatable, CustomStringConvertible {
    /// The file or folder.
    package let path: String
    /// What in the file: `tensor 'blk.0.attn_q.weight'`, `key 'general.alignment'`; nil for the file as a whole.
    package let subject: String?
    package let reason: String

    package init(path: String, subject: String? = nil, reason: String) {
        self.path = path
        self.subject = subject
        self.reason = reason
    }

    package init(path: String, tensor: String, reason: String) {
        self.init(path: path, subject: "tensor '\(printable(tensor))'", reason: reason)
    }

    package init(path: String, key: String, reason: String) {
        self.init(path: path, subject: "key '\(printable(key))'", reason: reason)
    }

    /// One line: file, place in it, reason.
    package var description: String {
        [path, subject, reason].compactMap { $0 }.joined(separator: ": ")
    }
}

/// Text from a file, fit for one line of a message: at most 80 scalars, control characters replaced.
func printable(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(80).map { scalar -> Unicode.Scalar in
        scalar.properties.generalCategory == .control ? "\u{FFFD}" : scalar
    }
    var line = String(String.UnicodeScalarView(scalars))
    if text.unicodeScalars.count > 80 { line += "…" }
    return line
}
