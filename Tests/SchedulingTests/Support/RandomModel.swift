import Glibc
import Inference
import Metrics
import Testing

@testable import ModelFiles
@testable import Scheduling

/// Two layers with grouped queries: small enough for milliseconds, of sizes that every weight type can hold.
let randomModelVocabulary = 300
private let dimensions = ModelDimensions(
    layerCount: 2,
    hiddenSize: 64,
    intermediateSize: 96,
    headCount: 4,
    kvHeadCount: 2,
    headDimension: 16,
    vocabularyCount: randomModelVocabulary,
    contextLength: 1024,
    ropeTheta: 10_000,
    rmsNormEpsilon: 1e-6,
    tiesEmbeddings: true
)

/// A model with random weights, large enough that logits differ well.
func makeRandomModel(_ type: TensorType, coarseOutput: Bool = false) throws -> Model {
    var template = Array("/tmp/scheduling-tests-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    try #require(descriptor >= 0)
    close(descriptor)
    let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { unlink(path) }

    var state: UInt64 = 42
    func uniform() -> Float {
        state &+= 1
        return Float(Toy.mix(state) >> 40) / Float(1 << 24) * 0.6 - 0.3
    }
    var writer = GGUFWriter()
    writer.add("general.architecture", .string("qwen2"))
    writer.add(dimensions.metadata)
    for slot in dimensions.tensors {
        let mean: Float = slot.name.hasSuffix("norm.weight") ? 1 : 0
        let values = (0..<slot.shape.reduce(1, *)).map { _ in mean + uniform() }
        writer.addTensor(slot.name, slot.isVector ? .f32 : type, slot.shape, values: values)
    }
    try writer.write(to: path)
    return try Model(file: ModelFile.open(path), coarseOutput: coarseOutput)
}

/// A started scheduler over a real compute context.
func makeModelScheduler(
    _ model: Model,
    _ change: (inout SchedulerOptions) -> Void = { _ in }
) throws -> Scheduler {
    var options = SchedulerOptions()
    options.kvBlocks = 128
    options.threads = 2
    change(&options)
    let scheduler = try Scheduler(model: model, options: options, metrics: ServerMetrics(roles: [], build: []))
    try scheduler.start()
    return scheduler
}
