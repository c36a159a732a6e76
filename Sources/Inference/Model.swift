import CKernels
package import ModelFiles

/// A loaded model: configuration and packed weights. Immutable, shared by any number of contexts.
package final class Model: Sendable {
    package let configuration: ModelConfiguration
    /// Memory that the weights take, packed; the file's own pages are given back.
    package let weightBytes: Int
    /// The type of most of the weights in the file, such as `q8_0`.
    package let weightType: String
    /// Whether there is a coarse copy of the output matrix.
    package var hasCoarseOutput: Bool { weights.coarseHead != nil }
    let weights: Weights

    /// Checks the file's sizes and tensors, then packs the weights. Values are not checked.
    ///
    /// - Parameter coarseOutput: also makes a coarse copy of the output matrix, unless that is in Q4_0 itself.
    package init(file: ModelFile, coarseOutput: Bool = false) throws(ModelError) {
        configuration = try ModelConfiguration(metadata: file.metadata, tensors: file.tensors, path: file.path)
        weights = try WeightLoader.load(file, configuration, coarseOutput: coarseOutput)
        weightBytes = weights.memory.count
        weightType = Self.commonestType(file)
    }

    /// A fingerprint of the packed weights as they are in memory now.
    package func digestOfWeights() -> UInt64 { ck_digest(0, weights.memory.base, weights.memory.count) }

    static func commonestType(_ file: ModelFile) -> String {
        var elements: [TensorType: Int] = [:]
        for view in file.tensors.values { elements[view.type, default: 0] += view.elementCount }
        return elements.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }?.key.name ?? "none"
    }
}
