package import ModelFiles

/// What a model and a compute context will take, found out before anything is loaded.
package struct MemoryPlan: Sendable, Equatable {
    /// Packed weights, with the coarse copy of the output matrix.
    package let weightBytes: Int
    /// Keys and values, with the sequences' tables of blocks.
    package let cacheBytes: Int
    package let activationBytes: Int
    package let vocabularyCount: Int
    package let contextLength: Int

    /// Checks the file's sizes and tensors as loading does.
    package init(file: ModelFile, options: ComputeOptions, coarseOutput: Bool = false) throws(ModelError) {
        try options.check()
        let configuration = try ModelConfiguration(metadata: file.metadata, tensors: file.tensors, path: file.path)
        let precision = options.kvPrecision ?? ComputeContext.kvPrecision(ofWeights: Model.commonestType(file))
        weightBytes = try WeightLoader.packedBytes(of: file, configuration, coarseOutput: coarseOutput)
        cacheBytes = try KVCache.bytes(
            configuration,
            precision,
            blocks: options.kvBlocks,
            maxSequences: options.maxSequences
        )
        activationBytes = Activations.Sizes(configuration, options).bytes
        vocabularyCount = configuration.vocabularyCount
        contextLength = configuration.contextLength
    }
}
