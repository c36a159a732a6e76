import FoundationEssentials

/// Texts with their expected labels from a TSV file with the columns `label` and `text_a`.
package struct LabelledExamples: Sendable {
    package let texts: [String]
    /// Indices into the role's labels.
    package let expected: [Int]

    /// Read whole: an evaluation set is small beside the model.
    package init(path: String, labels: [String], limit: Int) throws(ServiceError) {
        guard let data = try? Data(contentsOf: URL(filePath: path)),
            let content = String(validating: data, as: UTF8.self)
        else { throw ServiceError("cannot read \(path) as UTF-8; give a TSV file with the columns label and text_a") }
        try self.init(content: content, source: path, labels: labels, limit: limit)
    }

    init(content: String, source: String, labels: [String], limit: Int) throws(ServiceError) {
        var texts: [String] = []
        var expected: [Int] = []
        let lines = content.split(omittingEmptySubsequences: false) { $0.isNewline }
        let header = lines.first?.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) ?? []
        guard let labelColumn = header.firstIndex(of: "label"), let textColumn = header.firstIndex(of: "text_a") else {
            throw ServiceError("\(source):1: the header needs the columns label and text_a, separated by a tab")
        }
        for (number, line) in lines.enumerated().dropFirst() where !line.isEmpty && texts.count < limit {
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
            guard fields.count > max(labelColumn, textColumn),
                let label = Self.index(of: String(fields[labelColumn]), in: labels)
            else {
                let allowed = (labels + (labels.count == 2 ? ["1", "0"] : [])).joined(separator: ", ")
                throw ServiceError("\(source):\(number + 1): needs a label (\(allowed)), a tab and a text")
            }
            texts.append(String(fields[textColumn]))
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
