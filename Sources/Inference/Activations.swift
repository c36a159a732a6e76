import CKernels

/// Every buffer of a forward pass, allocated once for the largest batch.
final class Activations {
    let hidden: UnsafeMutablePointer<Float>  // (rows, hiddenStride): the residual stream
    let hiddenStride: Int  // sizes rounded up to 32; the rest stays zero
    let normed: ck_activations  // (rows, hiddenStride)
    let query: UnsafeMutablePointer<Float>  // (rows, queryStride)
    let key: UnsafeMutablePointer<Float>  // (rows, kvStride)
    let value: UnsafeMutablePointer<Float>  // (rows, kvStride)
    let kvStride: Int
    let attention: ck_activations  // (rows, queryStride)
    let mlp: ck_activations  // (rows, intermediateStride)
    let final: ck_activations  // (maxSequences, hiddenStride): normed rows that logits are wanted of
    let logits: UnsafeMutablePointer<Float>  // (logitRows, vocabularyStride)
    let logitRows: Int
    let vocabularyStride: Int

    let tokens: UnsafeMutablePointer<Int32>  // (rows)
    let positions: UnsafeMutablePointer<Int32>  // (rows)
    let tables: UnsafeMutablePointer<UnsafePointer<Int32>?>  // (rows)
    let groups: UnsafeMutablePointer<Int32>  // (rows + 1)
    let cosines: UnsafeMutablePointer<Float>  // (rows, headDim/2)
    let sines: UnsafeMutablePointer<Float>  // (rows, headDim/2)
    private let memory: MemoryRegion

    var memoryBytes: Int { memory.count }

    init(_ configuration: ModelConfiguration, _ options: ComputeOptions, pool: ThreadPool) throws(ModelError) {
        let sizes = Sizes(configuration, options)
        let (rows, outputs, half) = (sizes.rows, sizes.outputs, sizes.half)
        let (queryStride, mlpStride) = (sizes.queryStride, sizes.mlpStride)
        (logitRows, hiddenStride, kvStride) = (sizes.logitRows, sizes.hiddenStride, sizes.kvStride)
        vocabularyStride = sizes.vocabularyStride
        memory = try MemoryRegion(
            bytes: sizes.bytes,
            purpose: "activations of \(rows) rows, \(outputs) sequences",
            toucher: pool
        )
        var cursor = RegionCursor(memory)
        hidden = cursor.take(Float.self, rows * hiddenStride)
        normed = Self.take(&cursor, rows: rows, stride: hiddenStride)
        query = cursor.take(Float.self, rows * queryStride)
        key = cursor.take(Float.self, rows * kvStride)
        value = cursor.take(Float.self, rows * kvStride)
        attention = Self.take(&cursor, rows: rows, stride: queryStride)
        mlp = Self.take(&cursor, rows: rows, stride: mlpStride)
        final = Self.take(&cursor, rows: outputs, stride: hiddenStride)
        logits = cursor.take(Float.self, logitRows * vocabularyStride)
        tokens = cursor.take(Int32.self, rows + 1)
        positions = cursor.take(Int32.self, rows + 1)
        groups = cursor.take(Int32.self, rows + 1)
        tables = cursor.take(UnsafePointer<Int32>?.self, rows)
        cosines = cursor.take(Float.self, rows * half)
        sines = cursor.take(Float.self, rows * half)
    }

    private static func take(_ cursor: inout RegionCursor, rows: Int, stride: Int) -> ck_activations {
        let blocks = rows * stride / CK_BLOCK
        return ck_activations(
            values: cursor.take(Float.self, rows * stride),
            quants: cursor.take(Int8.self, rows * stride),
            scales: cursor.take(Float.self, blocks),
            sums: cursor.take(Int32.self, blocks),
            stride: stride
        )
    }
}

extension Activations {
    /// How large each buffer is; strides are rounded up to 32.
    struct Sizes {
        let rows, outputs, logitRows: Int
        let hiddenStride, queryStride, kvStride, mlpStride, vocabularyStride: Int
        /// headDim / 2
        let half: Int

        init(_ configuration: ModelConfiguration, _ options: ComputeOptions) {
            func padded(_ size: Int) -> Int { roundUp(size, to: CK_BLOCK) }
            (rows, outputs) = (options.maxBatchRows, options.maxSequences)
            logitRows = min(options.maxLogits ?? outputs, outputs)
            hiddenStride = padded(configuration.hiddenSize)
            queryStride = padded(configuration.querySize)
            kvStride = padded(configuration.kvSize)
            mlpStride = padded(configuration.intermediateSize)
            vocabularyStride = padded(configuration.vocabularyCount)
            half = configuration.headDimension / 2
        }

        /// All buffers together.
        var bytes: Int {
            func floats(_ count: Int) -> Int { RegionCursor.bytes(of: Float.self, count) }
            let inputs = [(rows, hiddenStride), (rows, queryStride), (rows, mlpStride), (outputs, hiddenStride)]
            return inputs.reduce(0) { $0 + Self.bytes(rows: $1.0, stride: $1.1) }
                + floats(rows * hiddenStride) + floats(rows * queryStride) + 2 * floats(rows * kvStride)
                + floats(logitRows * vocabularyStride) + 2 * floats(rows * half) + 3 * floats(rows + 1)
                + RegionCursor.bytes(of: UnsafePointer<Int32>?.self, rows)
        }

        private static func bytes(rows: Int, stride: Int) -> Int {
            let blocks = rows * stride / CK_BLOCK
            return RegionCursor.bytes(of: Float.self, rows * stride) + RegionCursor.bytes(of: Int8.self, rows * stride)
                + RegionCursor.bytes(of: Float.self, blocks) + RegionCursor.bytes(of: Int32.self, blocks)
        }
    }
}
