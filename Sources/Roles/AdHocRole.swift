extension Role {
    /// The name of a role that a request brings along; no role file may bear it.
    package static let adHocName = "ad-hoc"
    /// Characters of its instruction and of each text.
    package static let maxAdHocCharacters = 2_000

    /// A label role for one request. Instruction and labels are plain text like a role file's, never control.
    ///
    /// - Parameters:
    ///   - instruction: the system prompt, not blank, at most `maxAdHocCharacters` long.
    ///   - labels: `LabelRule.count` of them, different, each allowed by `LabelRule`.
    package static func adHoc(instruction: String, labels: [String], abstainBelow: Double?) -> Role {
        Role(
            name: adHocName,
            system: instruction,
            input: InputRule(maxCharacters: maxAdHocCharacters, overflow: .truncate),
            output: .labels(labels, maxTokens: RoleFile.labelTokens.upperBound),
            abstainBelow: abstainBelow,
            annotate: [],
            fixedReplies: []
        )
    }
}
