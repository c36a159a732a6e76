package import Inference
package import ModelFiles
import Roles
package import Scheduling

/// What runs, for the status page, the start of the log and `system_fingerprint`.
package struct ModelSummary: Sendable {
    /// The file's or folder's name without its path.
    package let name: String
    package let architecture: ModelArchitecture
    package let weightType: String
    package let weightBytes: Int
    package let layerCount: Int
    package let hiddenSize: Int
    package let contextLength: Int
    package let parameterCount: Int
    /// How its keys and values are stored.
    package let kvPrecision: KVPrecision
    package let hasCoarseOutput: Bool

    package init(file: ModelFile, model: Model, options: SchedulerOptions) {
        name = Self.name(of: file)
        architecture = model.configuration.architecture
        weightType = model.weightType
        weightBytes = model.weightBytes
        layerCount = model.configuration.layerCount
        hiddenSize = model.configuration.hiddenSize
        contextLength = model.configuration.contextLength
        parameterCount = file.tensors.values.reduce(0) { $0 + $1.elementCount }
        kvPrecision = options.kvPrecision ?? ComputeContext.kvPrecision(ofWeights: weightType)
        hasCoarseOutput = model.hasCoarseOutput
    }

    /// The last part of the model's path.
    package static func name(of file: ModelFile) -> String {
        file.path.split(separator: "/").last.map(String.init) ?? file.path
    }

    /// Changes when the model or the program does: equal requests under the same value get equal answers (per CPU kind).
    var fingerprint: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a
        for byte in "\(Build.version) \(name) \(weightType) \(parameterCount) \(kvPrecision.rawValue)".utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        return "fp_" + String(hash, radix: 16)
    }

    /// - Parameter trained: `null` in JSON if the model names no roles.
    func json(trained: TrainedRoles?) -> JSONValue {
        [
            "name": .string(name), "architecture": .string(architecture.rawValue), "weight_type": .string(weightType),
            "weight_bytes": .integer(weightBytes), "parameters": .integer(parameterCount),
            "layers": .integer(layerCount), "hidden_size": .integer(hiddenSize),
            "context_length": .integer(contextLength), "kv_precision": .string(kvPrecision.rawValue),
            "coarse_output": .bool(hasCoarseOutput),
            "trained_roles": trained.map { .array($0.names.map { .string($0) }) } ?? .null,
        ]
    }
}

/// The program's own name and version.
package enum Build {
    package static let name = "qwen-all-in-one"
    package static let version = "0.1.0"
}
