/// An array in GGUF metadata. Scalars are kept as the file's little-endian bytes, strings as a table.
package struct MetadataArray: Sendable, Equatable {
    enum Contents: Sendable, Equatable {
        case scalars([UInt8])
        case strings(StringTable)
        case arrays([MetadataArray])
    }

    package let elementType: MetadataType
    package let count: Int
    let contents: Contents

    /// Checked by the caller: `contents` holds `count` elements of `elementType`.
    init(elementType: MetadataType, count: Int, contents: Contents) {
        self.elementType = elementType
        self.count = count
        self.contents = contents
    }

    package init(_ strings: [[UInt8]]) {
        self.init(StringTable(strings))
    }

    package init(_ strings: StringTable) {
        self.init(elementType: .string, count: strings.count, contents: .strings(strings))
    }

    package init(_ values: [Int32]) {
        let bytes = values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        self.init(elementType: .int32, count: values.count, contents: .scalars(bytes))
    }

    package init(_ values: [Float]) {
        let bytes = values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        self.init(elementType: .float32, count: values.count, contents: .scalars(bytes))
    }

    package var strings: StringTable? {
        if case .strings(let table) = contents { table } else { nil }
    }

    package var ints: [Int]? {
        switch elementType {
        case .uint8: decode(UInt8.self)
        case .int8: decode(Int8.self)
        case .uint16: decode(UInt16.self)
        case .int16: decode(Int16.self)
        case .uint32: decode(UInt32.self)
        case .int32: decode(Int32.self)
        case .uint64: decode(UInt64.self)
        case .int64: decode(Int64.self)
        default: nil
        }
    }

    package var doubles: [Double]? {
        switch elementType {
        case .float32: integers(UInt32.self).map { $0.map { Double(Float(bitPattern: $0)) } }
        case .float64: integers(UInt64.self).map { $0.map { Double(bitPattern: $0) } }
        default: nil
        }
    }

    /// Element `index` as a value of its own; nil outside `0..<count`.
    package func element(_ index: Int) -> MetadataValue? {
        guard (0..<count).contains(index) else { return nil }
        switch contents {
        case .strings(let table): return .string(String(decoding: table[index], as: UTF8.self))
        case .arrays(let arrays): return .array(arrays[index])
        case .scalars(let bytes):
            guard let size = elementType.size else { return nil }
            return bytes.withUnsafeBytes { MetadataValue(scalar: elementType, $0, at: index * size) }
        }
    }

    private func decode<T: FixedWidthInteger>(_: T.Type) -> [Int]? {
        guard let values = integers(T.self) else { return nil }
        var result: [Int] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let fitting = Int(exactly: value) else { return nil }
            result.append(fitting)
        }
        return result
    }

    private func integers<T: FixedWidthInteger>(_: T.Type) -> [T]? {
        guard case .scalars(let bytes) = contents else { return nil }
        return bytes.withUnsafeBytes { raw in
            (0..<count).map {
                T(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: T.self))
            }
        }
    }
}

extension MetadataValue {
    /// A scalar from its little-endian bytes, which the caller knows to be there; nil when `type` is no scalar.
    init?(scalar type: MetadataType, _ bytes: UnsafeRawBufferPointer, at offset: Int) {
        func load<T: FixedWidthInteger>(_: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        switch type {
        case .uint8: self = .uint8(load(UInt8.self))
        case .int8: self = .int8(load(Int8.self))
        case .uint16: self = .uint16(load(UInt16.self))
        case .int16: self = .int16(load(Int16.self))
        case .uint32: self = .uint32(load(UInt32.self))
        case .int32: self = .int32(load(Int32.self))
        case .float32: self = .float32(Float(bitPattern: load(UInt32.self)))
        case .bool: self = .bool(load(UInt8.self) != 0)
        case .uint64: self = .uint64(load(UInt64.self))
        case .int64: self = .int64(load(Int64.self))
        case .float64: self = .float64(Double(bitPattern: load(UInt64.self)))
        case .string, .array: return nil
        }
    }
}
