package typealias TokenID = Int32

/// How a tensor's values are stored. The raw value is ggml's type number, as GGUF files hold it.
package enum TensorType: UInt32, Sendable, CaseIterable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q2_k = 10
    case q3_k = 11
    case q4_k = 12
    case q5_k = 13
    case q6_k = 14
    case iq4_nl = 20
    case iq4_xs = 23
    case bf16 = 30

    /// The types that files are written in; the others are read only.
    package static let writable: [TensorType] = allCases.filter { $0.fileType != nil }

    /// Elements in one block; a row holds whole blocks.
    package var blockSize: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .iq4_nl: 32
        case .q2_k, .q3_k, .q4_k, .q5_k, .q6_k, .iq4_xs: 256
        }
    }

    package var bytesPerBlock: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0, .iq4_nl: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q2_k: 84
        case .q3_k: 110
        case .iq4_xs: 136
        case .q4_k: 144
        case .q5_k: 176
        case .q6_k: 210
        }
    }

    package var name: String { "\(self)" }

    package init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }

    /// `general.file_type` of a file whose matrices are of this type (llama.cpp's `llama_ftype`).
    /// nil: no such file is written.
    package var fileType: UInt32? {
        switch self {
        case .f32: 0
        case .f16: 1
        case .q4_0: 2
        case .q8_0: 7
        case .bf16: 32
        default: nil
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
