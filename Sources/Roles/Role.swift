/// A task the one model is put to: a system prompt, what input it takes, what its answer looks like.
/// Read from a role file (`RoleSet`); immutable.
package struct Role: Sendable, Equatable {
    /// `[a-z0-9_-]{1,32}`; also the role file's name and the `model` of the API.
    package let name: String
    /// The system prompt, without trailing newlines.
    package let system: String
    package let input: InputRule
    package let output: Output
    /// A label role's verdict whose margin is below this counts as undecided, 0...1; nil: every verdict stands.
    package var abstainBelow: Double?
    /// As its file has it; `calibration(for:)` says whether it holds.
    package var calibration: StoredCalibration?
    /// Names of label roles whose verdict on the user's text goes with each reply.
    package private(set) var annotate: [String]
    /// In the file's order, at most 16; none for label roles.
    package var fixedReplies: [FixedReply]

    package enum Output: Sendable, Equatable {
        /// One of 2...64 labels, chosen by `LabelScorer`; each at most `maxTokens` tokens long.
        case labels([String], maxTokens: Int)
        /// Free text in whole sentences of at most that many grapheme clusters (`ReplyShaper`).
        case reply(maxCharacters: Int)
    }

    /// The labels of a label role, nil for a role that replies.
    package var labels: [String]? {
        guard case .labels(let labels, _) = output else { return nil }
        return labels
    }

    func annotated(byOnly names: Set<String>) -> Role {
        var role = self
        role.annotate = annotate.filter(names.contains)
        return role
    }

    /// How many tokens an answer may take at most, the end token included.
    ///
    /// A reply gets four tokens a character: an emoji of the Qwen vocabulary takes two to four, a Chinese character
    /// about one. `ReplyShaper` stops far earlier on ordinary text.
    package var maxNewTokens: Int {
        switch output {
        case .labels(_, let maxTokens): maxTokens
        case .reply(let maxCharacters): 4 * maxCharacters + 16
        }
    }
}

/// Why a role file or a role cannot be used; one line naming the file, the line and what is allowed there.
package struct RoleError: Error, CustomStringConvertible, Equatable {
    /// The role file or directory; for a role checked against a tokenizer, the role's name.
    package let source: String
    /// 1-based line in the file, if one is to blame.
    package let line: Int?
    package let message: String

    /// - Parameter message: what it quotes from the file is brought on one line.
    init(source: String, line: Int?, message: String) {
        self.source = source
        self.line = line
        self.message = String(message.map { $0.isNewline ? " " : $0 })
    }

    package var description: String {
        line.map { "\(source):\($0): \(message)" } ?? "\(source): \(message)"
    }
}
