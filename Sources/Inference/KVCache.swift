import CKernels
import Glibc

/// The arena of KV blocks of all layers, and each sequence's table of blocks.
///
/// A block holds 32 tokens of every layer; `[layer][block][kvHead]`, layout within a head in `kernels.h`.
final class KVCache {
    static let blockTokens = CK_BLOCK

    let precision: KVPrecision
    let blockCount: Int
    let maxSequences: Int
    /// Values from V's one token to the next: headDim rounded up to 16.
    let headStride: Int
    private let layerCount: Int
    private let layerBlock: Int  // bytes of one block in one layer
    private let blocks: UnsafeMutableRawPointer  // (layers, blocks, layerBlock)
    private let tables: UnsafeMutablePointer<Int32>  // (maxSequences, blockCount)
    private let tableCounts: UnsafeMutablePointer<Int>  // (maxSequences)
    private let memory: MemoryRegion

    var memoryBytes: Int { memory.count }

    init(
        _ configuration: ModelConfiguration,
        _ precision: KVPrecision,
        blocks: Int,
        maxSequences: Int,
        pool: ThreadPool
    ) throws(ModelError) {
        self.precision = precision
        blockCount = blocks
        self.maxSequences = maxSequences
        layerCount = configuration.layerCount
        headStride = roundUp(configuration.headDimension, to: 16)
        layerBlock = precision.bytes(ofBlock: configuration)
        let count = try Self.blockBytes(configuration, precision, blocks: blocks)
        let bytes = try Self.bytes(configuration, precision, blocks: blocks, maxSequences: maxSequences)
        let tokens = blocks * Self.blockTokens
        memory = try MemoryRegion(bytes: bytes, purpose: "a KV cache of \(tokens) tokens", toucher: pool)
        var cursor = RegionCursor(memory)
        self.blocks = UnsafeMutableRawPointer(cursor.take(UInt8.self, count))
        tables = cursor.take(Int32.self, maxSequences * blocks)
        tableCounts = cursor.take(Int.self, maxSequences)
    }

    /// Of all blocks, as many in each layer.
    private static func blockBytes(
        _ configuration: ModelConfiguration,
        _ precision: KVPrecision,
        blocks: Int
    ) throws(ModelError) -> Int {
        let block = configuration.layerCount * precision.bytes(ofBlock: configuration)
        // At most 2^10 layers, 2^24 blocks, 2^10 heads and 2^16 bytes a head: the product may pass 2^63.
        let (count, overflow) = block.multipliedReportingOverflow(by: blocks)
        guard !overflow, count < 1 << 60 else {
            throw ModelError(reason: "kvBlocks is \(blocks), too many for this model")
        }
        return count
    }

    /// What a cache of these sizes takes.
    static func bytes(
        _ configuration: ModelConfiguration,
        _ precision: KVPrecision,
        blocks: Int,
        maxSequences: Int
    ) throws(ModelError) -> Int {
        RegionCursor.bytes(of: UInt8.self, try blockBytes(configuration, precision, blocks: blocks))
            + RegionCursor.bytes(of: Int32.self, maxSequences * blocks) + RegionCursor.bytes(of: Int.self, maxSequences)
    }

    /// The blocks of one layer.
    func layer(_ index: Int) -> UnsafeMutableRawPointer { blocks + index * blockCount * layerBlock }

    func table(of sequence: Int) -> UnsafePointer<Int32> { UnsafePointer(tables + sequence * blockCount) }

    /// Whether `position` of `sequence` has a block.
    func holds(sequence: Int, position: Int) -> Bool {
        sequence >= 0 && sequence < maxSequences && position >= 0
            && position / Self.blockTokens < tableCounts[sequence]
    }

    func setTable(of sequence: Int, to blocks: some Collection<Int32>) {
        precondition(sequence >= 0 && sequence < maxSequences && blocks.count <= blockCount, "no such block table")
        var entry = tables + sequence * blockCount
        for block in blocks {
            precondition(block >= 0 && block < blockCount, "no such KV block")
            entry.pointee = block
            entry += 1
        }
        tableCounts[sequence] = blocks.count
    }

    func copyBlock(from source: Int, to target: Int) {
        precondition(source >= 0 && source < blockCount && target >= 0 && target < blockCount, "no such KV block")
        for index in 0..<layerCount where source != target {
            let base = layer(index)
            memcpy(base + target * layerBlock, base + source * layerBlock, layerBlock)
        }
    }
}
