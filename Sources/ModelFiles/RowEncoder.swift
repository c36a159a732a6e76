import CKernels

/// Turns values of a tensor into another type piece by piece, with two buffers of at most 64 Ki values.
struct RowEncoder {
    /// A multiple of every block size.
    static let chunk = 1 << 16

    let type: TensorType
    /// For messages: the tensor and the file that it comes from.
    let tensor: String
    let path: String
    private var encoded: [UInt8]

    init(type: TensorType, tensor: String, path: String) {
        self.type = type
        self.tensor = tensor
        self.path = path
        encoded = [UInt8](repeating: 0, count: Self.chunk / type.blockSize * type.bytesPerBlock)
    }

    /// Encodes floats, a multiple of the type's block.
    mutating func encode(
        _ values: UnsafeBufferPointer<Float>,
        into sink: (UnsafeRawBufferPointer) throws(ModelFileError) -> Void
    ) throws(ModelFileError) {
        for start in stride(from: 0, to: values.count, by: Self.chunk) {
            let part = UnsafeBufferPointer(rebasing: values[start..<min(start + Self.chunk, values.count)])
            try encodeChunk(part, into: sink)
        }
    }

    /// Encodes a tensor of any type; copies when it has the type already.
    mutating func encode(
        _ view: TensorView,
        into sink: (UnsafeRawBufferPointer) throws(ModelFileError) -> Void
    ) throws(ModelFileError) {
        if view.type == type { return try sink(view.bytes) }
        var values = [Float](repeating: 0, count: min(Self.chunk, view.elementCount))
        for start in stride(from: 0, to: view.elementCount, by: Self.chunk) {
            let count = min(Self.chunk, view.elementCount - start)
            let offset = start / view.type.blockSize * view.type.bytesPerBlock
            guard let source = view.bytes.baseAddress,
                ck_dequantize_row(view.type.rawValue, source + offset, &values, count)
            else {
                throw ModelFileError(path: path, tensor: tensor, reason: "cannot be read as \(view.type.name)")
            }
            try values.withUnsafeBufferPointer { floats throws(ModelFileError) in
                try encodeChunk(UnsafeBufferPointer(rebasing: floats[..<count]), into: sink)
            }
        }
    }

    private mutating func encodeChunk(
        _ values: UnsafeBufferPointer<Float>,
        into sink: (UnsafeRawBufferPointer) throws(ModelFileError) -> Void
    ) throws(ModelFileError) {
        guard ck_quantize_row(type.rawValue, values.baseAddress, &encoded, values.count) else {
            throw ModelFileError(
                path: path,
                tensor: tensor,
                reason: "holds NaN, infinity or a value too large for \(type.name)"
            )
        }
        let size = values.count / type.blockSize * type.bytesPerBlock
        try encoded.withUnsafeBufferPointer { bytes throws(ModelFileError) in
            try sink(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[..<size])))
        }
    }
}
