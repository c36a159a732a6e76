/// Reads little-endian values from bytes in order; whatever would leave them is an error.
struct ByteCursor {
    let bytes: UnsafeRawBufferPointer
    let path: String
    private(set) var offset = 0
    /// What is being read, for messages.
    var subject: String?

    init(_ bytes: UnsafeRawBufferPointer, path: String) {
        self.bytes = bytes
        self.path = path
    }

    var remaining: Int { bytes.count - offset }

    func error(_ reason: String) -> ModelFileError {
        ModelFileError(path: path, subject: subject, reason: reason)
    }

    private func truncated(_ what: StaticString) -> ModelFileError {
        error("the file ends at byte \(bytes.count) inside the \(what)")
    }

    mutating func integer<T: FixedWidthInteger>(_: T.Type, _ what: StaticString) throws(ModelFileError) -> T {
        guard remaining >= MemoryLayout<T>.size else { throw truncated(what) }
        defer { offset += MemoryLayout<T>.size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    mutating func bytes(_ count: Int, _ what: StaticString) throws(ModelFileError) -> UnsafeRawBufferPointer {
        guard count <= remaining else { throw truncated(what) }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// A UInt64 count of things of at least `minimumBytes` each, which must fit in what remains.
    mutating func count(_ what: StaticString, limit: Int, minimumBytes: Int) throws(ModelFileError) -> Int {
        let number = try integer(UInt64.self, what)
        guard number <= UInt64(limit) else { throw error("\(what) \(number) is above the limit of \(limit)") }
        guard number <= UInt64(remaining / minimumBytes) else {
            throw error("\(what) \(number) is more than the \(bytes.count) bytes of the file can hold")
        }
        return Int(number)
    }

    /// UInt64 length, then UTF-8.
    mutating func string(_ what: StaticString, limit: Int) throws(ModelFileError) -> String {
        let length = try count(what, limit: limit, minimumBytes: 1)
        guard let text = String(validating: try bytes(length, what), as: UTF8.self) else {
            throw error("\(what) is not UTF-8")
        }
        return text
    }

    /// `count` strings in GGUF's encoding, left where they are in `file`.
    mutating func stringTable(count: Int, of file: MappedFile) throws(ModelFileError) -> StringTable {
        let start = offset
        var position = start
        var offsets: [UInt32] = []
        offsets.reserveCapacity(count)
        for _ in 0..<count {
            guard bytes.count - position >= 8 else { throw truncated("array of strings") }
            guard position - start <= GGUFLimits.stringTableBytes else {
                throw error("holds more than 4 GiB of strings")
            }
            let length = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            offsets.append(UInt32(position - start))
            position += 8
            guard length <= UInt64(bytes.count - position) else { throw truncated("array of strings") }
            position += Int(length)
        }
        offset = position
        return StringTable(storage: StringStorage(in: file, range: start..<position), offsets: offsets)
    }
}
