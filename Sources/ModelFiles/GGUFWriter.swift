/// Writes a GGUF version 3 file: metadata and tensors in the order they were added, tensor data streamed one tensor at a
/// time. Source: ggml's `docs/gguf.md`.
package struct GGUFWriter {
    /// Produces a tensor's bytes in order, in as many pieces as it likes; in the end exactly the tensor's size.
    package typealias Source = (_ sink: (UnsafeRawBufferPointer) throws(ModelFileError) -> Void) throws(ModelFileError)
        -> Void

    private struct Tensor {
        let name: String
        let type: TensorType
        let shape: [Int]
        let source: Source
    }

    private let alignment: Int
    private var metadata: [(key: String, value: MetadataValue)] = []
    private var tensors: [Tensor] = []

    /// - Parameter alignment: of the data section and each tensor; a power of two up to 1 MiB.
    package init(alignment: Int = GGUFWriter.defaultAlignment) {
        self.alignment = alignment
        if alignment != Self.defaultAlignment { add("general.alignment", .uint32(UInt32(clamping: alignment))) }
    }

    package static var defaultAlignment: Int { GGUFReader.defaultAlignment }

    package mutating func add(_ key: String, _ value: MetadataValue) {
        metadata.append((key, value))
    }

    package mutating func add(_ entries: [(String, MetadataValue)]) {
        for (key, value) in entries { add(key, value) }
    }

    /// - Parameter shape: outermost first, as in `TensorView`.
    package mutating func addTensor(_ name: String, _ type: TensorType, _ shape: [Int], source: @escaping Source) {
        tensors.append(Tensor(name: name, type: type, shape: shape, source: source))
    }

    /// A tensor small enough to lie in memory, encoded from floats when the file is written.
    package mutating func addTensor(_ name: String, _ type: TensorType, _ shape: [Int], values: [Float]) {
        addTensor(name, type, shape) { sink throws(ModelFileError) in
            var encoder = RowEncoder(type: type, tensor: name, path: "values in memory")
            try values.withUnsafeBufferPointer { floats throws(ModelFileError) in try encoder.encode(floats, into: sink)
            }
        }
    }

    /// Writes the file under a temporary name and renames it onto `path`.
    ///
    /// Throws for a duplicate name, an impossible shape, a source that yields another size, or the system's refusal.
    package func write(to path: String) throws(ModelFileError) {
        let sizes = try checkedSizes(path)
        var output = try OutputFile(path: path)
        try output.write(GGUFReader.magic)
        try output.write(GGUFReader.version)
        try output.write(UInt64(tensors.count))
        try output.write(UInt64(metadata.count))
        for (key, value) in metadata {
            try output.write(string: key)
            try output.write(value.type.rawValue)
            try output.write(value)
        }
        try writeDirectory(sizes, to: &output)
        try output.pad(to: alignment)
        for (tensor, size) in zip(tensors, sizes) {
            try write(tensor, size: size, to: &output, path)
            try output.pad(to: alignment)
        }
        try output.finish()
    }

    private func checkedSizes(_ path: String) throws(ModelFileError) -> [Int] {
        guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= GGUFLimits.alignment else {
            throw ModelFileError(path: path, reason: "alignment \(alignment) is not a power of two up to 1 MiB")
        }
        var keys: Set<String> = []
        for (key, _) in metadata where !keys.insert(key).inserted {
            throw ModelFileError(path: path, key: key, reason: "was added twice")
        }
        var names: Set<String> = []
        var sizes: [Int] = []
        for tensor in tensors {
            guard names.insert(tensor.name).inserted else {
                throw ModelFileError(path: path, tensor: tensor.name, reason: "was added twice")
            }
            guard let size = tensor.type.byteCount(shape: tensor.shape) else {
                throw ModelFileError(
                    path: path,
                    tensor: tensor.name,
                    reason: "shape \(tensor.shape) cannot be stored as \(tensor.type.name): "
                        + "a row needs a multiple of \(tensor.type.blockSize) values; choose another --type"
                )
            }
            sizes.append(size)
        }
        return sizes
    }

    private func writeDirectory(_ sizes: [Int], to output: inout OutputFile) throws(ModelFileError) {
        var offset = 0
        for (tensor, size) in zip(tensors, sizes) {
            try output.write(string: tensor.name)
            try output.write(UInt32(tensor.shape.count))
            for dimension in tensor.shape.reversed() { try output.write(UInt64(dimension)) }
            try output.write(tensor.type.rawValue)
            try output.write(UInt64(offset))
            offset += (size + alignment - 1) / alignment * alignment
        }
    }

    private func write(
        _ tensor: Tensor,
        size: Int,
        to output: inout OutputFile,
        _ path: String
    ) throws(ModelFileError) {
        let start = output.position
        try tensor.source { bytes throws(ModelFileError) in try output.write(bytes) }
        guard output.position - start == size else {
            throw ModelFileError(
                path: path,
                tensor: tensor.name,
                reason: "\(output.position - start) bytes were produced for a size of \(size)"
            )
        }
    }
}

extension OutputFile {
    /// A metadata value without its type number.
    fileprivate mutating func write(_ value: MetadataValue) throws(ModelFileError) {
        switch value {
        case .uint8(let number): try write(number)
        case .int8(let number): try write(number)
        case .uint16(let number): try write(number)
        case .int16(let number): try write(number)
        case .uint32(let number): try write(number)
        case .int32(let number): try write(number)
        case .float32(let number): try write(number.bitPattern)
        case .bool(let flag): try write(UInt8(flag ? 1 : 0))
        case .string(let text): try write(string: text)
        case .array(let array): try write(array)
        case .uint64(let number): try write(number)
        case .int64(let number): try write(number)
        case .float64(let number): try write(number.bitPattern)
        }
    }

    private mutating func write(_ array: MetadataArray) throws(ModelFileError) {
        try write(array.elementType.rawValue)
        try write(UInt64(array.count))
        switch array.contents {
        case .scalars(let bytes): try write(bytes)
        case .strings(let table): try table.withEncodedBytes { raw throws(ModelFileError) in try write(raw) }
        case .arrays(let arrays): for inner in arrays { try write(inner) }
        }
    }
}
