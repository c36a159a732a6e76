import CKernels
import ModelFiles

/// Checks a file's tensors against the configuration, then packs each into one region and gives its pages back.
struct WeightLoader {
    private let file: ModelFile
    private let configuration: ModelConfiguration
    private let pool: ThreadPool
    private var cursor: RegionCursor
    private let memory: MemoryRegion

    static func load(
        _ file: ModelFile,
        _ configuration: ModelConfiguration,
        coarseOutput: Bool
    ) throws(ModelError) -> Weights {
        var loader = try WeightLoader(file, configuration, coarseOutput)
        return try loader.weights(coarseOutput: coarseOutput)
    }

    private init(_ file: ModelFile, _ configuration: ModelConfiguration, _ coarseOutput: Bool) throws(ModelError) {
        self.file = file
        self.configuration = configuration
        let bytes = try Self.packedBytes(of: file, configuration, coarseOutput: coarseOutput)
        memory = try MemoryRegion(bytes: bytes, purpose: "the weights of \(file.path)", toucher: nil)
        cursor = RegionCursor(memory)
        pool = try ThreadPool(threads: ThreadPool.onlineProcessors)
    }

    /// What the packed weights will take; checks every tensor's shape and type on the way.
    static func packedBytes(
        of file: ModelFile,
        _ configuration: ModelConfiguration,
        coarseOutput: Bool
    ) throws(ModelError) -> Int {
        var bytes = 0
        let expected = expectedTensors(configuration)
        // A tensor that the forward pass does not know would be missing from its results.
        let names = Set(expected.map(\.name))
        if let unknown = file.tensorNames.first(where: { !names.contains($0) }) {
            let family = configuration.architecture.rawValue
            throw ModelError.tensor(unknown, in: file.path, "is not part of a \(family) model")
        }
        for (name, shape) in expected {
            bytes += try packedBytes(try checked(name, shape, in: file), in: file.path)
        }
        if coarseOutput {
            let view = try view(configuration.tiesEmbeddings ? "token_embd.weight" : "output.weight", in: file)
            bytes += coarseBytes(ck_packed_type(view.type.rawValue), rows: view.shape[0], columns: view.shape[1])
        }
        return bytes
    }

    private mutating func weights(coarseOutput: Bool) throws(ModelError) -> Weights {
        let embedTokens = try matrix("token_embd.weight")
        var layers: [LayerWeights] = []
        for index in 0..<configuration.layerCount { layers.append(try layer("blk.\(index)")) }
        let norm = try vector("output_norm.weight")
        let lmHead = configuration.tiesEmbeddings ? embedTokens : try matrix("output.weight")
        return Weights(
            embedTokens: embedTokens,
            layers: layers,
            norm: norm,
            lmHead: lmHead,
            coarseHead: coarseOutput ? coarse(lmHead.packed) : nil,
            memory: memory
        )
    }

    private mutating func layer(_ prefix: String) throws(ModelError) -> LayerWeights {
        let architecture = configuration.architecture
        func bias(_ name: String) throws(ModelError) -> PaddedVector? {
            architecture.hasAttentionBias ? try vector("\(prefix).\(name).bias") : nil
        }
        func norm(_ name: String) throws(ModelError) -> PaddedVector? {
            architecture.hasHeadNorms ? try vector("\(prefix).\(name).weight") : nil
        }
        return LayerWeights(
            inputLayernorm: try vector("\(prefix).attn_norm.weight"),
            qProj: try matrix("\(prefix).attn_q.weight"),
            qBias: try bias("attn_q"),
            qNorm: try norm("attn_q_norm"),
            kProj: try matrix("\(prefix).attn_k.weight"),
            kBias: try bias("attn_k"),
            kNorm: try norm("attn_k_norm"),
            vProj: try matrix("\(prefix).attn_v.weight"),
            vBias: try bias("attn_v"),
            oProj: try matrix("\(prefix).attn_output.weight"),
            postAttentionLayernorm: try vector("\(prefix).ffn_norm.weight"),
            gateProj: try matrix("\(prefix).ffn_gate.weight"),
            upProj: try matrix("\(prefix).ffn_up.weight"),
            downProj: try matrix("\(prefix).ffn_down.weight")
        )
    }

    private mutating func matrix(_ name: String) throws(ModelError) -> PackedMatrix {
        let view = try Self.view(name, in: file)
        let (rows, columns) = (view.shape[0], view.shape[1])
        let data = cursor.take(UInt8.self, ck_packed_bytes(view.type.rawValue, rows, columns))
        let packed = ck_pack(pool.raw, view.type.rawValue, rows, columns, view.bytes.baseAddress, data)
        file.releasePages(of: view)
        guard packed.data != nil else {
            throw ModelError.tensor(
                name,
                in: file.path,
                "has type \(view.type.name) and a value beyond 65504, which f16 cannot hold: is the file damaged?"
            )
        }
        return PackedMatrix(packed: packed)
    }

    /// nil where a coarse copy would be no smaller.
    private mutating func coarse(_ matrix: ck_matrix) -> ck_coarse? {
        guard ck_can_coarsen(matrix.type, matrix.columns) else { return nil }
        var matrix = matrix
        let data = cursor.take(UInt8.self, ck_packed_bytes(UInt32(CK_Q4_0), matrix.rows, matrix.columns))
        let (residuals, norms) = (cursor.take(Float.self, matrix.rows), cursor.take(Float.self, matrix.rows))
        return ck_coarsen(pool.raw, &matrix, data, residuals, norms)
    }

    private static func coarseBytes(_ type: UInt32, rows: Int, columns: Int) -> Int {
        guard ck_can_coarsen(type, columns) else { return 0 }
        return RegionCursor.bytes(of: UInt8.self, ck_packed_bytes(UInt32(CK_Q4_0), rows, columns))
            + 2 * RegionCursor.bytes(of: Float.self, rows)
    }

    private mutating func vector(_ name: String) throws(ModelError) -> PaddedVector {
        let view = try Self.view(name, in: file)
        let values = cursor.take(Float.self, roundUp(view.elementCount, to: CK_BLOCK))
        guard ck_dequantize_row(view.type.rawValue, view.bytes.baseAddress, values, view.elementCount) else {
            throw ModelError.tensor(name, in: file.path, "has type \(view.type.name), unfit for a vector")
        }
        return PaddedVector(values)
    }
}

extension WeightLoader {
    /// Every tensor of the model and its shape, outermost first.
    private static func expectedTensors(_ c: ModelConfiguration) -> [(name: String, shape: [Int])] {
        var expected = [
            ("token_embd.weight", [c.vocabularyCount, c.hiddenSize]), ("output_norm.weight", [c.hiddenSize]),
        ]
        if !c.tiesEmbeddings { expected.append(("output.weight", [c.vocabularyCount, c.hiddenSize])) }
        for index in 0..<c.layerCount {
            var layer = [
                ("attn_norm.weight", [c.hiddenSize]), ("ffn_norm.weight", [c.hiddenSize]),
                ("attn_q.weight", [c.querySize, c.hiddenSize]), ("attn_k.weight", [c.kvSize, c.hiddenSize]),
                ("attn_v.weight", [c.kvSize, c.hiddenSize]),
                ("attn_output.weight", [c.hiddenSize, c.querySize]),
                ("ffn_gate.weight", [c.intermediateSize, c.hiddenSize]),
                ("ffn_up.weight", [c.intermediateSize, c.hiddenSize]),
                ("ffn_down.weight", [c.hiddenSize, c.intermediateSize]),
            ]
            if c.architecture.hasAttentionBias {
                layer += [("attn_q.bias", [c.querySize]), ("attn_k.bias", [c.kvSize]), ("attn_v.bias", [c.kvSize])]
            }
            if c.architecture.hasHeadNorms {
                layer += [("attn_q_norm.weight", [c.headDimension]), ("attn_k_norm.weight", [c.headDimension])]
            }
            expected += layer.map { ("blk.\(index).\($0.0)", $0.1) }
        }
        return expected
    }

    private static func view(_ name: String, in file: ModelFile) throws(ModelError) -> TensorView {
        guard let view = file.tensors[name] else { throw ModelError.tensor(name, in: file.path, "is missing") }
        return view
    }

    private static func checked(_ name: String, _ shape: [Int], in file: ModelFile) throws(ModelError) -> TensorView {
        let view = try view(name, in: file)
        guard view.shape == shape else {
            throw ModelError.tensor(name, in: file.path, "has shape \(view.shape); expected \(shape)")
        }
        return view
    }

    private static func packedBytes(_ view: TensorView, in path: String) throws(ModelError) -> Int {
        guard view.shape.count == 2 else {
            return RegionCursor.bytes(of: Float.self, roundUp(view.elementCount, to: CK_BLOCK))
        }
        let bytes = ck_packed_bytes(view.type.rawValue, view.shape[0], view.shape[1])
        guard bytes > 0 else {
            throw ModelError.tensor(
                view.name,
                in: path,
                "has rows of \(view.shape[1]) values, which \(view.type.name) cannot hold"
            )
        }
        return RegionCursor.bytes(of: UInt8.self, bytes)
    }
}
