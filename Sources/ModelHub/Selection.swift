import FoundationEssentials
import Glibc

/// Which files of a repository the program reads.
struct Selection: Equatable {
    static let maxSmallBytes = 256 << 20
    static let maxShards = 1_024
    static let index = "model.safetensors.index.json"

    /// Configuration and tokenizer, and the index of shards: fetched first.
    let small: [RemoteFile]
    /// One GGUF file, or one safetensors file; empty where the index names the shards.
    let weights: [RemoteFile]

    /// gguf: a name or a shell pattern, in any case; nil for a Hugging Face folder.
    init(_ files: [RemoteFile], gguf pattern: String?, repository: RepositoryName) throws(HubError) {
        let all = Dictionary(files.map { ($0.name, $0) }) { first, _ in first }
        if let pattern {
            small = []
            weights = [try Self.gguf(files, pattern, repository)]
            return
        }
        let model = all["model.safetensors"] ?? all[Self.index]
        guard let config = all["config.json"], let model else {
            let names = Self.ggufNames(files)
            guard names.isEmpty else {
                throw HubError("\(repository) has GGUF files; choose one with --gguf: \(Self.list(names))")
            }
            throw HubError("\(repository) has neither config.json with safetensors nor a GGUF file in its root folder")
        }
        var small = [config]
        if let tokenizer = all["tokenizer.json"] {
            small.append(tokenizer)
        } else if let vocabulary = all["vocab.json"], let merges = all["merges.txt"] {
            small += [vocabulary, merges]
        } else {
            throw HubError("\(repository) has neither tokenizer.json nor vocab.json and merges.txt")
        }
        small += ["tokenizer_config.json", "roles.json"].compactMap { all[$0] }
        if model.name == Self.index { small.append(model) }
        if let large = small.first(where: { $0.size > Self.maxSmallBytes }) {
            throw HubError(
                "\(large.name) of \(repository) has \(large.size) bytes; at most \(Self.maxSmallBytes) are taken"
            )
        }
        self.small = small
        weights = model.name == Self.index ? [] : [model]
    }

    /// The shards that the index at `path` names.
    static func shards(index path: String, among files: [RemoteFile]) throws(HubError) -> [RemoteFile] {
        struct Index: Decodable {
            let weight_map: [String: String]
        }
        guard let data = try? Data(contentsOf: URL(filePath: path)),
            let index = try? JSONDecoder().decode(Index.self, from: data)
        else { throw HubError("\(path) is no index of shards") }
        let names = Set(index.weight_map.values).sorted()
        guard names.count <= maxShards else {
            throw HubError("\(path) names \(names.count) shards; at most \(maxShards) are taken")
        }
        var shards: [RemoteFile] = []
        for name in names {
            guard name.hasSuffix(".safetensors"), let file = files.first(where: { $0.name == name }) else {
                throw HubError("\(path) names the shard '\(printable(name))', which the repository does not have")
            }
            shards.append(file)
        }
        return shards
    }

    private static func gguf(
        _ files: [RemoteFile],
        _ pattern: String,
        _ repository: RepositoryName
    ) throws(HubError) -> RemoteFile {
        let ggufs = files.filter { isGGUF($0.name) }
        let matches = ggufs.filter { fnmatch(pattern.lowercased(), $0.name.lowercased(), 0) == 0 }
        guard let match = matches.first else {
            guard !ggufs.isEmpty else { throw HubError("\(repository) has no GGUF file in its root folder") }
            throw HubError(
                "no GGUF file of \(repository) matches '\(printable(pattern))'; it has \(list(ggufs.map(\.name)))"
            )
        }
        guard matches.count == 1 else {
            throw HubError("'\(printable(pattern))' matches \(matches.count) files: \(list(matches.map(\.name)))")
        }
        guard !isPart(match.name) else {
            let whole = ggufs.map(\.name).filter { !isPart($0) }
            throw HubError(
                "\(match.name) is one part of a model in several files, and only whole ones are read; "
                    + (whole.isEmpty ? "\(repository) has none" : "\(repository) has \(list(whole))")
            )
        }
        return match
    }

    private static func ggufNames(_ files: [RemoteFile]) -> [String] { files.map(\.name).filter(isGGUF) }
    private static func isGGUF(_ name: String) -> Bool { name.lowercased().hasSuffix(".gguf") }

    /// As llama-gguf-split names them: `model-00001-of-00003.gguf`.
    private static func isPart(_ name: String) -> Bool {
        let number = String(repeating: "[0-9]", count: 5)
        return fnmatch("*-\(number)-of-\(number).gguf", name.lowercased(), 0) == 0
            && !name.lowercased().hasSuffix("-of-00001.gguf")
    }

    private static func list(_ names: [String]) -> String {
        names.sorted().prefix(12).joined(separator: ", ") + (names.count > 12 ? ", …" : "")
    }
}
