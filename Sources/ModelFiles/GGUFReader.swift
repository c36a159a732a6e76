/// Bounds on what a GGUF file may claim, far above any real model. They keep a hostile file from costing time or memory
/// out of proportion to its size.
enum GGUFLimits {
    static let metadataCount = 1 << 16
    static let tensorCount = 100_000
    static let keyLength = 65_535
    static let tensorNameLength = 1_024
    /// Bytes of one scalar string, such as a chat template.
    static let stringLength = 16 << 20
    static let arrayCount = 1 << 24
    /// Bytes of one array of strings; `StringTable` keeps 32-bit offsets.
    static let stringTableBytes = Int(UInt32.max)
    static let arrayNesting = 4
    static let dimensions = 4
    static let alignment = 1 << 20
}

/// Reads GGUF version 3, little-endian: header, metadata, tensor directory; the tensors' data stays in the file.
/// Every count, length and offset is checked against the file before it is used.
/// Source: ggml's `docs/gguf.md`.
struct GGUFReader {
    static let magic: [UInt8] = Array("GGUF".utf8)
    static let version: UInt32 = 3
    static let defaultAlignment = 32

    private let file: MappedFile
    private var cursor: ByteCursor

    private(set) var metadata: [(key: String, value: MetadataValue)] = []
    private(set) var tensors: [TensorView] = []

    init(_ file: MappedFile) throws(ModelFileError) {
        self.file = file
        cursor = ByteCursor(file.bytes, path: file.path)
        let (tensorCount, metadataCount) = try readHeader()
        try readMetadata(count: metadataCount)
        let alignment = try alignment()
        try readTensors(count: tensorCount, alignment: alignment)
    }

    private mutating func readHeader() throws(ModelFileError) -> (tensors: Int, metadata: Int) {
        guard try cursor.bytes(4, "magic number").elementsEqual(Self.magic) else {
            throw ModelFileError(path: file.path, reason: "is not a GGUF file: it does not begin with 'GGUF'")
        }
        let version = try cursor.integer(UInt32.self, "version")
        guard version == Self.version else {
            let order = version.byteSwapped <= 16 ? ", big-endian," : ""
            let number = min(version, version.byteSwapped)
            throw ModelFileError(
                path: file.path,
                reason: "is GGUF version \(number)\(order) and only little-endian version 3 is read: convert it anew"
            )
        }
        let tensors = try cursor.count("tensor count", limit: GGUFLimits.tensorCount, minimumBytes: 24)
        let metadata = try cursor.count("metadata count", limit: GGUFLimits.metadataCount, minimumBytes: 13)
        return (tensors, metadata)
    }

    private mutating func readMetadata(count: Int) throws(ModelFileError) {
        var seen: Set<String> = []
        metadata.reserveCapacity(count)
        for _ in 0..<count {
            let key = try cursor.string("metadata key", limit: GGUFLimits.keyLength)
            guard seen.insert(key).inserted else {
                throw ModelFileError(path: file.path, key: key, reason: "stands twice in the file")
            }
            cursor.subject = "key '\(printable(key))'"
            let type = try metadataType()
            metadata.append((key, try value(of: type)))
            cursor.subject = nil
        }
    }

    private mutating func metadataType() throws(ModelFileError) -> MetadataType {
        let number = try cursor.integer(UInt32.self, "value type")
        guard let type = MetadataType(rawValue: number) else {
            throw cursor.error("has the unknown value type \(number)")
        }
        return type
    }

    private mutating func value(of type: MetadataType) throws(ModelFileError) -> MetadataValue {
        switch type {
        case .string:
            return .string(try cursor.string("value", limit: GGUFLimits.stringLength))
        case .array:
            return .array(try array(nesting: 1))
        default:
            guard let size = type.size, let value = MetadataValue(scalar: type, try scalars(type, size), at: 0) else {
                throw cursor.error("has no value")
            }
            return value
        }
    }

    /// `size` bytes of scalars of `type`; booleans are 0 or 1.
    private mutating func scalars(_ type: MetadataType, _ size: Int) throws(ModelFileError) -> UnsafeRawBufferPointer {
        let bytes = try cursor.bytes(size, "value")
        guard type != .bool || bytes.allSatisfy({ $0 <= 1 }) else { throw cursor.error("holds a boolean above 1") }
        return bytes
    }

    private mutating func array(nesting: Int) throws(ModelFileError) -> MetadataArray {
        guard nesting <= GGUFLimits.arrayNesting else {
            throw cursor.error("nests arrays deeper than \(GGUFLimits.arrayNesting) levels")
        }
        let type = try metadataType()
        let minimum = type.size ?? (type == .string ? 8 : 12)
        let count = try cursor.count("array length", limit: GGUFLimits.arrayCount, minimumBytes: minimum)
        switch type {
        case .string:
            return MetadataArray(try cursor.stringTable(count: count, of: file))
        case .array:
            var arrays: [MetadataArray] = []
            for _ in 0..<count { arrays.append(try array(nesting: nesting + 1)) }
            return MetadataArray(elementType: type, count: count, contents: .arrays(arrays))
        default:
            let bytes = try scalars(type, count * minimum)
            return MetadataArray(elementType: type, count: count, contents: .scalars([UInt8](bytes)))
        }
    }

    private func alignment() throws(ModelFileError) -> Int {
        let key = "general.alignment"
        guard let value = metadata.first(where: { $0.key == key })?.value else { return Self.defaultAlignment }
        guard case .uint32(let number) = value, number > 0, number & (number - 1) == 0, number <= GGUFLimits.alignment
        else {
            throw ModelFileError(path: file.path, key: key, reason: "must be a power of two up to 1 MiB, as uint32")
        }
        return Int(number)
    }
}

// MARK: - Tensor directory

extension GGUFReader {
    /// One entry of the directory; `offset` counts from the start of the data section.
    private struct Entry {
        let name: String
        let type: TensorType
        let shape: [Int]
        let offset: Int
        let size: Int
    }

    private mutating func readTensors(count: Int, alignment: Int) throws(ModelFileError) {
        var entries: [Entry] = []
        var seen: Set<String> = []
        entries.reserveCapacity(count)
        for _ in 0..<count {
            let entry = try readEntry(alignment: alignment)
            guard seen.insert(entry.name).inserted else {
                throw ModelFileError(path: file.path, tensor: entry.name, reason: "stands twice in the file")
            }
            entries.append(entry)
        }
        let dataStart = (cursor.offset + alignment - 1) / alignment * alignment
        try checkPlaces(entries, dataSize: file.bytes.count - dataStart)
        tensors = entries.map { entry in
            let start = dataStart + entry.offset
            let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[start..<start + entry.size])
            return TensorView(name: entry.name, type: entry.type, shape: entry.shape, bytes: bytes)
        }
    }

    private mutating func readEntry(alignment: Int) throws(ModelFileError) -> Entry {
        let name = try cursor.string("tensor name", limit: GGUFLimits.tensorNameLength)
        cursor.subject = "tensor '\(printable(name))'"
        defer { cursor.subject = nil }
        let dimensionCount = try cursor.integer(UInt32.self, "number of dimensions")
        guard (1...UInt32(GGUFLimits.dimensions)).contains(dimensionCount) else {
            throw cursor.error("has \(dimensionCount) dimensions; 1 to \(GGUFLimits.dimensions) are possible")
        }
        var shape: [Int] = []
        for _ in 0..<dimensionCount {
            let dimension = try cursor.integer(UInt64.self, "shape")
            guard let size = Int(exactly: dimension), size > 0 else {
                throw cursor.error("has a dimension of \(dimension)")
            }
            shape.insert(size, at: 0)
        }
        let type = try tensorType()
        guard let size = type.byteCount(shape: shape) else {
            throw cursor.error(
                "has shape \(shape), impossible for \(type.name) (whole blocks of \(type.blockSize) in a row)"
            )
        }
        let offset = try cursor.integer(UInt64.self, "offset")
        guard let start = Int(exactly: offset), start % alignment == 0 else {
            throw cursor.error("begins at \(offset), which is not a multiple of the alignment \(alignment)")
        }
        return Entry(name: name, type: type, shape: shape, offset: start, size: size)
    }

    /// ggml's names of types that models are distributed in and nothing here reads.
    private static let otherTypes: [UInt32: String] = [
        16: "iq2_xxs", 17: "iq2_xs", 18: "iq3_xxs", 19: "iq1_s", 21: "iq3_s", 22: "iq2_s", 28: "f64", 29: "iq1_m",
        34: "tq1_0", 35: "tq2_0", 39: "mxfp4", 40: "nvfp4",
    ]

    private mutating func tensorType() throws(ModelFileError) -> TensorType {
        let number = try cursor.integer(UInt32.self, "type")
        guard let type = TensorType(rawValue: number) else {
            let name = Self.otherTypes[number].map { " (\($0))" } ?? ""
            let known = TensorType.allCases.map(\.name).joined(separator: ", ")
            throw cursor.error(
                "has ggml type \(number)\(name), which is not supported: take a file of the model in another type, such as "
                    + "Q8_0 or Q4_K_M, or convert the original (supported are \(known))"
            )
        }
        return type
    }

    /// Every tensor lies in the data section and none overlaps another.
    private func checkPlaces(_ entries: [Entry], dataSize: Int) throws(ModelFileError) {
        var end = 0
        var previous = ""
        for entry in entries.sorted(by: { $0.offset < $1.offset }) {
            guard entry.offset >= end else {
                throw ModelFileError(
                    path: file.path,
                    tensor: entry.name,
                    reason: "overlaps tensor '\(printable(previous))'"
                )
            }
            guard entry.size <= dataSize, entry.offset <= dataSize - entry.size else {
                throw ModelFileError(
                    path: file.path,
                    tensor: entry.name,
                    reason:
                        "ends beyond the file: \(entry.size) bytes at \(entry.offset) of \(max(dataSize, 0)) bytes of data"
                )
            }
            end = entry.offset + entry.size
            previous = entry.name
        }
    }
}
