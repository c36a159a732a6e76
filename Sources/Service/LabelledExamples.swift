import FoundationEssentials

/// Texts with their expected labels: lines of `label<TAB>text`, with or without a header line that begins with `label`.
package struct LabelledExamples: Sendable {
    package let texts: [String]
    /// Indices into the role's labels.
    package let expected: [Int]

    /// Read whole: an evaluation set is small beside the model.
    package init(path: String, labels: [String], limit: Int) throws(ServiceError) {
        guard let data = try? Data(contentsOf: URL(filePath: path)),
            let content = String(validating: data, as: UTF8.self)
        else {
            throw ServiceError("cannot read \(path) as UTF-8; give a TSV file of lines with a label, a tab and a text")
        }
        try self.init(content: content, source: path, labels: labels, limit: limit)
    }

    init(content: String, source: String, labels: [String], limit: Int) throws(ServiceError) {
        var texts: [String] = []
        var expected: [Int] = []
        let content = content.hasPrefix("\u{FEFF}") ? content.dropFirst() : content[...]
        // Other line breaks, such as U+2028, may stand in a text.
        let lines = content.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
        for (number, line) in lines.enumerated() where !line.isEmpty && texts.count < limit {
            let fields = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            if number == 0, fields[0] == "label" { continue }
            guard fields.count == 2, !fields[1].allSatisfy(\.isWhitespace),
                let label = Self.index(of: String(fields[0]), in: labels)
            else {
                let allowed = (labels + (labels.count == 2 ? ["1", "0"] : [])).joined(separator: ", ")
                throw ServiceError("\(source):\(number + 1): needs a label (\(allowed)), a tab and a text")
            }
            texts.append(String(fields[1]))
            expected.append(label)
        }
        guard !texts.isEmpty else { throw ServiceError("\(source) has no examples") }
        self.texts = texts
        self.expected = expected
    }

    /// The label itself; for two labels also 1 for the first and 0 for the second.
    private static func index(of text: String, in labels: [String]) -> Int? {
        if let index = labels.firstIndex(of: text) { return index }
        guard labels.count == 2 else { return nil }
        return ["1", "0"].firstIndex(of: text)
    }
}
