import FoundationEssentials
import Glibc

/// Opens a Hugging Face folder of a Qwen model: config.json, model.safetensors or shards with an index, roles.json.
struct HuggingFaceFolder {
    static let jsonLimit = 100_000_000
    static let shardLimit = 1_024

    let metadata: [(key: String, value: MetadataValue)]
    /// Under their GGUF names, in file order.
    let tensors: [TensorView]
    let mappings: [MappedFile]

    init(_ folder: String) throws(ModelFileError) {
        let config = try MappedFile(path: "\(folder)/config.json")
        let configuration = try HuggingFaceConfig(json: try Self.json(config), path: config.path)
        let dimensions = configuration.dimensions
        metadata = try Self.metadata(configuration, folder)

        let shards = try Self.shards(folder)
        mappings = shards.map(\.file)
        var found: [String: TensorView] = [:]
        for shard in shards {
            for view in shard.tensors {
                guard found.updateValue(view, forKey: view.name) == nil else {
                    throw ModelFileError(path: shard.file.path, tensor: view.name, reason: "stands in two shards")
                }
            }
        }
        tensors = try Self.translate(found, dimensions, mappings, folder)
    }

    private static func json(_ file: MappedFile) throws(ModelFileError) -> UnsafeRawBufferPointer {
        guard file.bytes.count <= jsonLimit else {
            throw ModelFileError(path: file.path, reason: "is larger than 100 MB")
        }
        return file.bytes
    }

    private static func metadata(
        _ config: HuggingFaceConfig,
        _ folder: String
    ) throws(ModelFileError) -> [(key: String, value: MetadataValue)] {
        let name = folder.split(separator: "/").last.map(String.init) ?? "model"
        var entries: [(key: String, value: MetadataValue)] = [
            ("general.architecture", .string(config.dimensions.architecture.rawValue)),
            ("general.name", .string(name)),
        ]
        for (key, value) in config.dimensions.metadata { entries.append((key, value)) }
        if let token = config.beginOfTextToken { entries.append((ModelFile.beginOfTextKey, .uint32(token))) }
        let path = "\(folder)/roles.json"
        guard access(path, F_OK) == 0 else { return entries }
        let file = try MappedFile(path: path)
        do {
            let roles = try JSONDecoder().decode([String].self, from: Data(try json(file)))
            entries.append((ModelFile.rolesKey, .strings(roles)))
        } catch {
            throw ModelFileError(path: path, reason: "must be an array of strings: \(jsonReason(error))")
        }
        return entries
    }

    /// Names translated and every shape checked; buffers of old checkpoints are left out, anything else unknown is refused.
    private static func translate(
        _ found: [String: TensorView],
        _ dimensions: ModelDimensions,
        _ mappings: [MappedFile],
        _ folder: String
    ) throws(ModelFileError) -> [TensorView] {
        var rest = found.filter { !$0.key.hasSuffix(".rotary_emb.inv_freq") }
        var tensors: [TensorView] = []
        for slot in dimensions.tensors {
            guard let view = rest.removeValue(forKey: slot.huggingFaceName) else {
                throw ModelFileError(path: folder, tensor: slot.huggingFaceName, reason: "is missing")
            }
            guard view.shape == slot.shape else {
                throw ModelFileError(
                    path: folder,
                    tensor: view.name,
                    reason: "has shape \(view.shape), but config.json makes it \(slot.shape)"
                )
            }
            tensors.append(TensorView(name: slot.name, type: view.type, shape: view.shape, bytes: view.bytes))
        }
        if dimensions.tiesEmbeddings, let duplicate = rest.removeValue(forKey: "lm_head.weight") {
            try checkDuplicate(duplicate, of: tensors[0], mappings, folder)
        }
        if let unknown = rest.keys.min() {
            let family = dimensions.architecture.rawValue
            throw ModelFileError(path: folder, tensor: unknown, reason: "is not part of a \(family) model")
        }
        return tensors
    }

    /// A checkpoint with tied embeddings may store the output matrix as well; it must be the embedding, byte for byte.
    private static func checkDuplicate(
        _ output: TensorView,
        of embedding: TensorView,
        _ mappings: [MappedFile],
        _ folder: String
    ) throws(ModelFileError) {
        var isEqual = output.type == embedding.type && output.bytes.count == embedding.bytes.count
        let piece = 16 << 20  // compared and given back piece by piece, so that not both lie in memory
        for start in stride(from: 0, to: output.bytes.count, by: piece) where isEqual {
            let range = start..<min(start + piece, output.bytes.count)
            let parts = [output, embedding].map { UnsafeRawBufferPointer(rebasing: $0.bytes[range]) }
            guard let left = parts[0].baseAddress, let right = parts[1].baseAddress else { break }
            isEqual = memcmp(left, right, range.count) == 0
            for part in parts { for mapping in mappings { mapping.releasePages(of: part) } }
        }
        guard isEqual else {
            throw ModelFileError(
                path: folder,
                tensor: output.name,
                reason: "differs from the embedding although config.json ties them; "
                    + "set tie_word_embeddings to false if the matrix is meant"
            )
        }
    }
}

// MARK: - Shards

extension HuggingFaceFolder {
    private struct Shard {
        let file: MappedFile
        let tensors: [TensorView]

        init(path: String) throws(ModelFileError) {
            file = try MappedFile(path: path)
            tensors = try Safetensors(file).tensors
        }
    }

    private struct Index: Decodable {
        let weightMap: [String: String]

        private enum CodingKeys: String, CodingKey {
            case weightMap = "weight_map"
        }
    }

    private static func shards(_ folder: String) throws(ModelFileError) -> [Shard] {
        let single = "\(folder)/model.safetensors"
        if access(single, F_OK) == 0 { return [try Shard(path: single)] }
        let indexPath = "\(single).index.json"
        guard access(indexPath, F_OK) == 0 else {
            throw ModelFileError(
                path: folder,
                reason: "holds neither model.safetensors nor model.safetensors.index.json"
            )
        }
        let index: Index
        let file = try MappedFile(path: indexPath)
        let bytes = try json(file)
        do {
            index = try JSONDecoder().decode(Index.self, from: Data(bytes))
        } catch {
            throw ModelFileError(path: indexPath, reason: "is malformed: \(jsonReason(error))")
        }
        return try shards(index, folder, indexPath)
    }

    private static func shards(_ index: Index, _ folder: String, _ path: String) throws(ModelFileError) -> [Shard] {
        let names = Set(index.weightMap.values).sorted()
        guard names.count <= shardLimit else {
            throw ModelFileError(path: path, reason: "names \(names.count) shards; the limit is \(shardLimit)")
        }
        for name in names {
            guard name.hasSuffix(".safetensors"), !name.hasPrefix("."), !name.utf8.contains(0),
                !name.utf8.contains(UInt8(ascii: "/"))
            else {
                throw ModelFileError(
                    path: path,
                    reason: "shard '\(printable(name))' is not a plain .safetensors file name"
                )
            }
        }
        var shards: [Shard] = []
        for name in names { shards.append(try Shard(path: "\(folder)/\(name)")) }
        for (name, shard) in zip(names, shards) {
            let expected = Set(index.weightMap.lazy.filter { $0.value == name }.map(\.key))
            guard let odd = expected.symmetricDifference(shard.tensors.map(\.name)).min() else { continue }
            let reason =
                expected.contains(odd) ? "is not here, where the index places it" : "is not placed here by the index"
            throw ModelFileError(path: shard.file.path, tensor: odd, reason: reason)
        }
        return shards
    }
}
