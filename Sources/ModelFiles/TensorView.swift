/// A named tensor whose bytes lie in a mapped file. Valid while the `ModelFile` it came from lives.
///
/// `@unchecked Sendable`: the bytes are read-only.
package struct TensorView: @unchecked Sendable {
    package let name: String
    package let type: TensorType
    /// Row-major, outermost first: `[rows, columns]` as PyTorch prints it (GGUF stores the reverse). One to four dimensions.
    package let shape: [Int]
    /// Exactly the product of `shape` in `type`. Aligned to the file's alignment in GGUF; not at all in safetensors.
    package let bytes: UnsafeRawBufferPointer

    /// - Parameter bytes: as many as `shape` needs in `type`; whoever makes the view keeps them alive.
    package init(name: String, type: TensorType, shape: [Int], bytes: UnsafeRawBufferPointer) {
        self.name = name
        self.type = type
        self.shape = shape
        self.bytes = bytes
    }

    package var elementCount: Int { shape.reduce(1, *) }
}
