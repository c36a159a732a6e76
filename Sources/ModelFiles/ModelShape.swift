/// A named shape of model for `synthesize`.
package enum ModelShape: String, CaseIterable, Sendable {
    case qwen15Half = "qwen1.5-0.5b"
    case qwen25Half = "qwen2.5-0.5b"
    case qwen25OneAndHalf = "qwen2.5-1.5b"
    case qwen3Small = "qwen3-0.6b"
    /// Runs in milliseconds; for tests.
    case tiny

    /// - Parameter tokenCount: of the tokenizer. Real shapes have rows of their own; the tiny one a row for each token.
    package func dimensions(tokenCount: Int) -> ModelDimensions {
        switch self {
        case .qwen15Half:
            ModelDimensions(
                layerCount: 24,
                hiddenSize: 1024,
                intermediateSize: 2816,
                headCount: 16,
                kvHeadCount: 16,
                headDimension: 64,
                vocabularyCount: 151_936,
                contextLength: 32_768,
                ropeTheta: 1e6,
                rmsNormEpsilon: 1e-6,
                tiesEmbeddings: true
            )
        case .qwen25Half:
            ModelDimensions(
                layerCount: 24,
                hiddenSize: 896,
                intermediateSize: 4864,
                headCount: 14,
                kvHeadCount: 2,
                headDimension: 64,
                vocabularyCount: 151_936,
                contextLength: 32_768,
                ropeTheta: 1e6,
                rmsNormEpsilon: 1e-6,
                tiesEmbeddings: true
            )
        case .qwen25OneAndHalf:
            ModelDimensions(
                layerCount: 28,
                hiddenSize: 1536,
                intermediateSize: 8960,
                headCount: 12,
                kvHeadCount: 2,
                headDimension: 128,
                vocabularyCount: 151_936,
                contextLength: 32_768,
                ropeTheta: 1e6,
                rmsNormEpsilon: 1e-6,
                tiesEmbeddings: true
            )
        case .qwen3Small:
            ModelDimensions(
                architecture: .qwen3,
                layerCount: 28,
                hiddenSize: 1024,
                intermediateSize: 3072,
                headCount: 16,
                kvHeadCount: 8,
                headDimension: 128,
                vocabularyCount: 151_936,
                contextLength: 40_960,
                ropeTheta: 1e6,
                rmsNormEpsilon: 1e-6,
                tiesEmbeddings: true
            )
        case .tiny:
            ModelDimensions(
                layerCount: 2,
                hiddenSize: 64,
                intermediateSize: 160,
                headCount: 4,
                kvHeadCount: 2,
                headDimension: 16,
                vocabularyCount: tokenCount,
                contextLength: 2_048,
                ropeTheta: 1e6,
                rmsNormEpsilon: 1e-6,
                tiesEmbeddings: true
            )
        }
    }
}
