/// Why a model could not be fetched: one line that says what was wrong and what to do.
package struct HubError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Text from elsewhere, fit for one line of a message: at most 120 scalars, control characters replaced.
func printable(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(120).map { scalar -> Unicode.Scalar in
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: "\u{FFFD}"
        default: scalar
        }
    }
    return String(String.UnicodeScalarView(scalars)) + (text.unicodeScalars.count > 120 ? "…" : "")
}
