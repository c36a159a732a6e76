/// What may be a label, in a role file or in a request.
package enum LabelRule {
    package static let count = 2...64
    package static let maxCharacters = 64
    /// For messages.
    package static let text = "1 to \(maxCharacters) characters on one line, without white space at the ends"

    /// White space at an edge would change how the label is split into tokens after the template's newline.
    package static func allows(_ label: String) -> Bool {
        guard let first = label.first, let last = label.last else { return false }
        return label.count <= maxCharacters && label.unicodeScalars.count <= 4 * maxCharacters
            && !first.isWhitespace && !last.isWhitespace && !label.contains(where: \.isNewline)
    }
}
