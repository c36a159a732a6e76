import FoundationEssentials
import Glibc
import Testing

@testable import Inference
@testable import ModelFiles

/// The folder of this target's test files.
let testFolder = URL(filePath: #filePath).deletingLastPathComponent().path

/// A folder that goes with its owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/inference-tests-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Sizes that divide by nothing more than they must.
let oddDimensions = ModelDimensions(
    layerCount: 2,
    hiddenSize: 36,
    intermediateSize: 50,
    headCount: 6,
    kvHeadCount: 2,
    headDimension: 6,
    vocabularyCount: 77,
    contextLength: 256,
    ropeTheta: 10_000,
    rmsNormEpsilon: 1e-6,
    tiesEmbeddings: false
)

/// Sizes that every type can hold.
let evenDimensions = ModelDimensions(
    layerCount: 2,
    hiddenSize: 64,
    intermediateSize: 96,
    headCount: 4,
    kvHeadCount: 2,
    headDimension: 16,
    vocabularyCount: 97,
    contextLength: 256,
    ropeTheta: 10_000,
    rmsNormEpsilon: 1e-6,
    tiesEmbeddings: true
)

/// Writes a random model; `edit` changes its entries before.
func writeRandomModel(
    _ dimensions: ModelDimensions,
    _ type: TensorType,
    to path: String,
    metadata: [(String, MetadataValue)]? = nil,
    skipping skipped: String? = nil,
    extra: String? = nil
) throws {
    var random = SeededNumbers(42)
    var writer = GGUFWriter()
    writer.add("general.architecture", .string(dimensions.architecture.rawValue))
    writer.add(metadata ?? dimensions.metadata)
    for slot in dimensions.tensors {
        let values = random.floats(slot.shape.reduce(1, *), in: -0.3...0.3)
        guard slot.name != skipped else { continue }
        let shifted = slot.name.hasSuffix("norm.weight") ? values.map { 1 + $0 } : values
        writer.addTensor(slot.name, slot.isVector ? .f32 : type, slot.shape, values: shifted)
    }
    if let extra { writer.addTensor(extra, .f32, [32], values: random.floats(32)) }
    try writer.write(to: path)
}

func randomModel(_ dimensions: ModelDimensions, _ type: TensorType) throws -> Model {
    let folder = try TemporaryFolder()
    let path = folder.path + "/model.gguf"
    try writeRandomModel(dimensions, type, to: path)
    return try Model(file: ModelFile.open(path))
}

extension ComputeContext {
    /// Runs a sequence from position 0 in chunks and returns the last token's logits.
    func lastLogits(_ tokens: [TokenID], sequence: Int32 = 0, chunk: Int? = nil) -> [Float] {
        let size = min(chunk ?? maxBatchRows, maxBatchRows)
        for start in stride(from: 0, to: tokens.count, by: size) {
            let end = min(start + size, tokens.count)
            let rows = (start..<end).map { BatchRow(token: tokens[$0], position: Int32($0), sequence: sequence) }
            forward(rows, outputs: end == tokens.count ? [Int32(rows.count - 1)] : [])
        }
        computeLogits(outputs: 0..<1)
        return Array(logits(output: 0))
    }

    /// Gives sequence 0 the blocks 0, 1, 2, …
    func useAllBlocks() { setBlockTable(sequence: 0, blocks: (0..<Int32(kvBlocks))) }
}
