package typealias TokenID = Int32

/// How a tensor's values are stored. The raw value is ggml's type number, as GGUF files hold it.
package enum TensorType: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q8_0 = 8
    case bf16 = 30

    /// Elements in one block; a row holds whole blocks.
    package var blockSize: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q8_0: 32
        }
    }

    package var bytesPerBlock: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 18
        case .q8_0: 34
        }
    }

    package var name: String {
        switch self {
        case .f32: "f32"
        case .f16: "f16"
        case .q4_0: "q4_0"
        case .q8_0: "q8_0"
        case .bf16: "bf16"
        }
    }

    package init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }

    /// `general.file_type` of a file whose matrices are of this type (llama.cpp's `llama_ftype`).
    package var fileType: UInt32 {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .bf16: 32
        }
    }

    /// Bytes of a tensor of `shape` (outermost first); nil when a dimension is not positive, the rows are no whole
    /// blocks or the size overflows.
    package func byteCount(shape: [Int]) -> Int? {
        guard let columns = shape.last, columns % blockSize == 0 else { return nil }
        var elements = 1
        for dimension in shape {
            guard dimension > 0 else { return nil }
            let (product, overflow) = elements.multipliedReportingOverflow(by: dimension)
            if overflow { return nil }
            elements = product
        }
        let (bytes, overflow) = (elements / blockSize).multipliedReportingOverflow(by: bytesPerBlock)
        return overflow ? nil : bytes
    }
}
