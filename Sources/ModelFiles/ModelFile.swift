import Glibc

/// A model on disk, mapped: a GGUF version 3 file, or a Hugging Face folder shown under GGUF's names.
package final class ModelFile: Sendable {
    /// Names of the roles that the model was trained for, an array of strings.
    package static let rolesKey = "qwen_all_in_one.roles"

    /// The one tokenizer key that a Hugging Face folder may hold outside its tokenizer's files, in config.json.
    static let beginOfTextKey = "tokenizer.ggml.bos_token_id"

    package let path: String
    package let isHuggingFaceFolder: Bool
    /// GGUF keys. A folder's config.json and roles.json are translated; tokenizer keys are only in GGUF
    /// (but for `tokenizer.ggml.bos_token_id`, which config.json may give).
    package let metadata: [String: MetadataValue]
    /// The keys in the file's order.
    package let metadataKeys: [String]
    /// By GGUF name (`token_embd.weight`, `blk.0.attn_q.weight`, …) for both sources.
    package let tensors: [String: TensorView]
    /// The names in the file's order.
    package let tensorNames: [String]
    /// Bytes of all mapped files.
    package let fileBytes: Int
    private let mappings: [MappedFile]

    /// Opens and checks everything but the tensors' values; their pages are read on use.
    ///
    /// - Parameter anyArchitecture: accept a GGUF file of an architecture that the engine lacks (to look into it). A file that
    ///   names no architecture opens; it lacks the keys that a model needs.
    package static func open(_ path: String, anyArchitecture: Bool = false) throws(ModelFileError) -> ModelFile {
        var status = stat()
        guard stat(path, &status) == 0 else { throw systemError(path, "cannot open") }
        if status.st_mode & S_IFMT == S_IFDIR {
            let folder = try HuggingFaceFolder(path)
            return ModelFile(path, true, folder.metadata, folder.tensors, folder.mappings)
        }
        let mapping = try MappedFile(path: path)
        let reader = try GGUFReader(mapping)
        let file = ModelFile(path, false, reader.metadata, reader.tensors, [mapping])
        if !anyArchitecture, let value = file.metadata["general.architecture"] {
            let name = value.string ?? "not a string"
            guard ModelArchitecture(rawValue: name) != nil else {
                throw ModelFileError(
                    path: path,
                    key: "general.architecture",
                    reason: "is \(printable(name)); \(ModelArchitecture.supported)"
                )
            }
        }
        if !anyArchitecture, let parts = file.metadata["split.count"]?.int, parts > 1 {
            throw ModelFileError(
                path: path,
                key: "split.count",
                reason: "is \(parts): this is one part of a model; join them with llama-gguf-split --merge"
            )
        }
        return file
    }

    /// Fails if the config.json at `path` is of a model that this program does not run.
    package static func check(configuration path: String) throws(ModelFileError) {
        let file = try MappedFile(path: path)
        _ = try HuggingFaceConfig(json: file.bytes, path: path)
    }

    private init(
        _ path: String,
        _ isFolder: Bool,
        _ metadata: [(key: String, value: MetadataValue)],
        _ tensors: [TensorView],
        _ mappings: [MappedFile]
    ) {
        self.path = path
        isHuggingFaceFolder = isFolder
        self.metadata = Dictionary(metadata.map { ($0.key, $0.value) }) { first, _ in first }
        metadataKeys = metadata.map(\.key)
        self.tensors = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
        tensorNames = tensors.map(\.name)
        fileBytes = mappings.reduce(0) { $0 + $1.bytes.count }
        self.mappings = mappings
    }

    /// The tensor called `name`, or an error that names the file.
    package func tensor(_ name: String) throws(ModelFileError) -> TensorView {
        guard let view = tensors[name] else { throw ModelFileError(path: path, tensor: name, reason: "is missing") }
        return view
    }

    /// Gives the tensor's pages back to the system once its values were copied elsewhere; a later read fetches them anew.
    package func releasePages(of view: TensorView) {
        releasePages(of: view.bytes)
    }

    func releasePages(of bytes: UnsafeRawBufferPointer) {
        for mapping in mappings { mapping.releasePages(of: bytes) }
    }

    /// What stands before the first tensor in each mapped file.
    var heads: [UnsafeRawBufferPointer] {
        mappings.map { mapping in
            let inside = tensors.values.filter { mapping.contains($0.bytes) }
            let first = inside.compactMap(\.bytes.baseAddress).min()
            let count = first.flatMap { first in mapping.bytes.baseAddress.map { first - $0 } } ?? mapping.bytes.count
            return UnsafeRawBufferPointer(rebasing: mapping.bytes[..<count])
        }
    }

    /// The same for everything in the files, the metadata included.
    package func releasePages() {
        for mapping in mappings { mapping.releasePages(of: mapping.bytes) }
    }
}
