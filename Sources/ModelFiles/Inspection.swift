/// What a model file holds, for people and as JSON: metadata with long arrays abbreviated, tensors, sizes.
package struct Inspection: Encodable {
    package struct Entry: Encodable {
        package let key: String
        /// GGUF's name of the type, an array's with its element type and count: `string[151936]`.
        package let type: String
        /// The value; of an array the first elements.
        package let value: Value
        package let isAbbreviated: Bool
    }

    package indirect enum Value: Encodable, Equatable {
        case integer(Int)
        case number(Double)
        case boolean(Bool)
        case text(String)
        case list([Value])

        package func encode(to encoder: any Encoder) throws {
            switch self {
            case .integer(let value): try value.encode(to: encoder)
            case .number(let value): try value.encode(to: encoder)
            case .boolean(let value): try value.encode(to: encoder)
            case .text(let value): try value.encode(to: encoder)
            case .list(let values): try values.encode(to: encoder)
            }
        }
    }

    package struct Tensor: Encodable {
        package let name: String
        package let type: String
        /// Outermost first.
        package let shape: [Int]
        package let bytes: Int
    }

    package let path: String
    package let format: String
    package let fileBytes: Int
    package let parameters: Int
    /// Of all tensors, by type.
    package let bytesByType: [String: Int]
    package let metadata: [Entry]
    package let tensors: [Tensor]

    private static let shownElements = 6
    /// All that a model may have.
    private static let shownRoles = 64
    private static let shownScalars = 160

    package init(_ file: ModelFile) {
        path = file.path
        format = file.isHuggingFaceFolder ? "Hugging Face folder" : "GGUF v3"
        fileBytes = file.fileBytes
        let views = file.tensorNames.compactMap { file.tensors[$0] }
        parameters = views.reduce(0) { $0 + $1.elementCount }
        bytesByType = views.reduce(into: [:]) { $0[$1.type.name, default: 0] += $1.bytes.count }
        tensors = views.map { Tensor(name: $0.name, type: $0.type.name, shape: $0.shape, bytes: $0.bytes.count) }
        metadata = file.metadataKeys.compactMap { key in
            file.metadata[key].map { Self.entry(key, $0) }
        }
    }

    private static func entry(_ key: String, _ value: MetadataValue) -> Entry {
        guard case .array(let array) = value else {
            let (shown, isCut) = shown(value)
            return Entry(key: key, type: value.type.name, value: shown, isAbbreviated: isCut)
        }
        let limit = key == ModelFile.rolesKey ? shownRoles : shownElements
        let elements = (0..<min(limit, array.count)).compactMap { array.element($0) }.map(shown)
        return Entry(
            key: key,
            type: "\(array.elementType.name)[\(array.count)]",
            value: .list(elements.map(\.value)),
            isAbbreviated: array.count > limit || elements.contains(where: \.isCut)
        )
    }

    private static func shown(_ value: MetadataValue) -> (value: Value, isCut: Bool) {
        switch value {
        case .string(let text):
            let isCut = text.unicodeScalars.count > shownScalars
            return (.text(String(String.UnicodeScalarView(text.unicodeScalars.prefix(shownScalars)))), isCut)
        case .array(let inner): return (.text("\(inner.elementType.name)[\(inner.count)]"), true)
        case .bool(let flag): return (.boolean(flag), false)
        case .float32(let number): return (shown("\(number)"), false)
        case .float64(let number): return (shown("\(number)"), false)
        case .uint64(let number): return (Int(exactly: number).map { .integer($0) } ?? .text("\(number)"), false)
        default: return (.integer(value.int ?? 0), false)
        }
    }

    /// A number by its shortest decimal; NaN and infinity, which JSON lacks, as text.
    private static func shown(_ decimal: String) -> Value {
        guard let number = Double(decimal), number.isFinite else { return .text(decimal) }
        return .number(number)
    }
}

extension Inspection {
    /// Plain text for a terminal: control characters are escaped.
    package var text: String {
        var lines = ["\(path): \(format), \(fileBytes) bytes, \(parameters) parameters"]
        lines.append("\(metadata.count) metadata entries")
        let keyWidth = width(metadata.map(\.key.count))
        let typeWidth = width(metadata.map(\.type.count))
        for entry in metadata {
            let shown = plain(entry.value) + (entry.isAbbreviated ? " …" : "")
            lines.append("  \(padded(escaped(entry.key), keyWidth))  \(padded(entry.type, typeWidth))  \(shown)")
        }
        lines.append("\(tensors.count) tensors")
        let nameWidth = width(tensors.map(\.name.count))
        for tensor in tensors {
            let shape = padded("\(tensor.shape)", 16)
            lines.append(
                "  \(padded(escaped(tensor.name), nameWidth))  \(padded(tensor.type, 4))  \(shape)  \(tensor.bytes)"
            )
        }
        for (type, bytes) in bytesByType.sorted(by: { $0.key < $1.key }) { lines.append("\(type): \(bytes) bytes") }
        return lines.joined(separator: "\n")
    }

    /// Of a column; one absurdly long name must not widen every line.
    private func width(_ lengths: [Int]) -> Int { min(lengths.max() ?? 0, 64) }

    private func plain(_ value: Value) -> String {
        switch value {
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .boolean(let value): "\(value)"
        case .text(let value): escaped(value)
        case .list(let values): values.map(plain).joined(separator: ", ")
        }
    }

    private func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    private func escaped(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { line, scalar in
            line += scalar.properties.generalCategory == .control ? scalar.escaped(asASCII: false) : String(scalar)
        }
    }
}
