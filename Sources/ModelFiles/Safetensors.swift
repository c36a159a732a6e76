import FoundationEssentials

/// Reads one safetensors file: a UInt64 header length, a JSON header, then the tensors' data without holes or overlap.
/// Source: the format section of the safetensors README.
struct Safetensors {
    static let headerLimit = 100_000_000
    static let tensorLimit = GGUFLimits.tensorCount

    /// In the order of their data. Names are the file's own.
    let tensors: [TensorView]

    init(_ file: MappedFile) throws(ModelFileError) {
        var cursor = ByteCursor(file.bytes, path: file.path)
        let length = try cursor.count("header", limit: Self.headerLimit, minimumBytes: 1)
        let header = try Self.decode(try cursor.bytes(length, "header"), path: file.path)
        let data = UnsafeRawBufferPointer(rebasing: file.bytes[cursor.offset...])
        tensors = try Self.views(of: header, in: data, path: file.path)
    }

    private static func decode(_ bytes: UnsafeRawBufferPointer, path: String) throws(ModelFileError) -> [String: Entry]
    {
        do {
            return try JSONDecoder().decode(Header.self, from: Data(bytes)).entries
        } catch {
            throw ModelFileError(path: path, reason: "the safetensors header is malformed: \(jsonReason(error))")
        }
    }

    private static func views(
        of header: [String: Entry],
        in data: UnsafeRawBufferPointer,
        path: String
    ) throws(ModelFileError) -> [TensorView] {
        guard header.count <= tensorLimit else {
            throw ModelFileError(path: path, reason: "holds \(header.count) tensors; the limit is \(tensorLimit)")
        }
        let ordered = header.sorted { ($0.value.start, $0.key) < ($1.value.start, $1.key) }
        var views: [TensorView] = []
        var end = 0
        for (name, entry) in ordered {
            func error(_ reason: String) -> ModelFileError { ModelFileError(path: path, tensor: name, reason: reason) }
            guard let type = entry.type else {
                throw error("has dtype \(printable(entry.dtype)); weights must be F32, F16 or BF16")
            }
            guard (1...GGUFLimits.dimensions).contains(entry.shape.count), let size = type.byteCount(shape: entry.shape)
            else { throw error("has the impossible shape \(entry.shape.prefix(8))") }
            guard entry.start == end else {
                throw error(entry.start < end ? "overlaps the tensor before it" : "has unused bytes before it")
            }
            guard entry.end >= entry.start, entry.end - entry.start == size else {
                throw error("has offsets \(entry.start)..<\(entry.end), but its shape and dtype need \(size) bytes")
            }
            guard entry.end <= data.count else { throw error("ends beyond the file, at \(entry.end) of \(data.count)") }
            let bytes = UnsafeRawBufferPointer(rebasing: data[entry.start..<entry.end])
            views.append(TensorView(name: name, type: type, shape: entry.shape, bytes: bytes))
            end = entry.end
        }
        guard end == data.count else {
            throw ModelFileError(path: path, reason: "has \(data.count - end) bytes behind its last tensor")
        }
        return views
    }
}

extension Safetensors {
    /// One tensor in the header.
    fileprivate struct Entry: Decodable {
        let dtype: String
        let shape: [Int]
        let start: Int
        let end: Int

        private enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            dtype = try container.decode(String.self, forKey: .dtype)
            shape = try container.decode([Int].self, forKey: .shape)
            let offsets = try container.decode([Int].self, forKey: .offsets)
            guard offsets.count == 2, offsets.allSatisfy({ $0 >= 0 }) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .offsets,
                    in: container,
                    debugDescription: "data_offsets must be two numbers from 0"
                )
            }
            (start, end) = (offsets[0], offsets[1])
        }

        var type: TensorType? {
            switch dtype {
            case "F32": .f32
            case "F16": .f16
            case "BF16": .bf16
            default: nil
            }
        }
    }

    /// The header: tensors by name, beside free text under `__metadata__`.
    fileprivate struct Header: Decodable {
        var entries: [String: Entry] = [:]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: AnyKey.self)
            for key in container.allKeys where key.stringValue != "__metadata__" {
                entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
            }
        }
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// What JSONDecoder found wrong, on one line.
func jsonReason(_ error: any Error) -> String {
    guard let decoding = error as? DecodingError else { return printable("\(error)") }
    let (context, what): (DecodingError.Context, String) =
        switch decoding {
        case .keyNotFound(let key, let context): (context, "'\(printable(key.stringValue))' is missing")
        case .typeMismatch(_, let context): (context, "a value has the wrong type")
        case .valueNotFound(_, let context): (context, "a value is null")
        case .dataCorrupted(let context): (context, printable(context.debugDescription))
        @unknown default: (DecodingError.Context(codingPath: [], debugDescription: ""), "it cannot be decoded")
        }
    let path = context.codingPath.map { printable($0.stringValue) }.joined(separator: ".")
    return path.isEmpty ? what : "\(what) (at \(path))"
}
