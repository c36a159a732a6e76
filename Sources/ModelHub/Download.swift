import Glibc
import ModelFiles

/// Brings one model of a hub into a folder.
package struct Download {
    private static let maxBytes = 200_000_000_000
    private static let listSeconds = 120
    /// The parts of files that are not complete, by a name that their repository's list makes.
    private static let partialFolder = ".partial"

    private let hub: Hub
    private let repository: RepositoryName
    private let revision: String
    private let gguf: String?
    private let folder: String
    private let progress: any DownloadProgress
    private let transfer: Transfer

    /// revision: a branch, tag or commit. gguf: name or shell pattern of one GGUF file; nil for a Hugging Face folder.
    /// folder: where the files go; made if it is missing.
    package init(
        _ repository: RepositoryName,
        from hub: Hub,
        revision: String?,
        gguf: String?,
        folder: String,
        progress: any DownloadProgress
    ) throws(HubError) {
        let revision = revision ?? hub.kind.defaultRevision
        guard (1...128).contains(revision.utf8.count), !revision.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F })
        else {
            throw HubError("'\(printable(revision))' is no revision; name a branch, a tag or a commit")
        }
        self.hub = hub
        self.repository = repository
        self.revision = revision
        self.gguf = gguf
        self.folder = folder
        self.progress = progress
        transfer = Transfer(hub: hub, progress: progress)
    }

    /// Fetches what is missing. Gives the path that other commands take as the model.
    package func run() throws -> String {
        let files = try listing()
        let selection = try Selection(files, gguf: gguf, repository: repository)
        if gguf == nil { try requireNoOther(than: selection) }
        let workplace = try Workplace(folder: folder, partialFolder: Self.partialFolder)
        var partials = Set((selection.small + selection.weights).map(Self.partialName))
        try requireSpace(for: selection.small + selection.weights, in: workplace)
        for file in selection.small { try fetch(file, in: workplace) }
        var weights = selection.weights
        if gguf == nil {
            // Before the gigabytes.
            try ModelFile.check(configuration: "\(folder)/config.json")
            if weights.isEmpty {
                weights = try Selection.shards(index: "\(folder)/\(Selection.index)", among: files)
                partials.formUnion(weights.map(Self.partialName))
                try requireSpace(for: weights, in: workplace)
            }
        }
        workplace.removePartials { !partials.contains($0) }
        for file in weights { try fetch(file, in: workplace) }
        let path = gguf == nil ? folder : "\(folder)/\(weights[0].name)"
        _ = try ModelFile.open(path)
        return path
    }

    /// Fails if the folder has a file of another model that would be read in place of this one's.
    private func requireNoOther(than selection: Selection) throws(HubError) {
        let names = Set((selection.small + selection.weights).map(\.name))
        for name in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] where !names.contains(name) {
            guard fileSize("\(folder)/\(name)") == nil else {
                throw HubError("\(folder) has another model's \(name); remove it or choose another --output")
            }
        }
    }

    private func listing() throws(HubError) -> [RemoteFile] {
        guard var address = hub.listingAddress(repository, revision: revision) else {
            throw HubError("'\(printable(revision))' makes no address")
        }
        var files: [RemoteFile] = []
        for _ in 0..<Listing.maxPages {
            let sink = MemorySink(limit: Listing.maxBytes)
            let head = try transfer.get(address, "\(repository)", into: sink, maxSeconds: Self.listSeconds)
            files += try Listing.files(sink.bytes, of: hub.kind)
            guard let next = head.nextPage else { return files }
            guard let target = address.redirected(to: next), target.origin == hub.endpoint.origin else {
                throw HubError("the list of files goes on at another place than the hub")
            }
            address = target
        }
        throw HubError("the list of files has more than \(Listing.maxPages) pages")
    }

    private func fetch(_ file: RemoteFile, in workplace: Workplace) throws(HubError) {
        let target = "\(folder)/\(file.name)"
        if PartialFile.holds(file, at: target) {
            progress.begin(file.name, size: file.size, position: file.size)
            return progress.end("is here already")
        }
        guard let address = hub.fileAddress(repository, revision: revision, file: file.name) else {
            throw HubError("'\(printable(revision))' makes no address")
        }
        let partial = try PartialFile(file, path: workplace.path(Self.partialName(file)), progress: progress)
        progress.begin(file.name, size: file.size, position: partial.position)
        if try !partial.isComplete() {
            try transfer.get(address, file.name, into: partial) { head throws(HubError) in
                if head.status < 400, let announced = head.announcedDigest { try partial.expect(announced) }
            }
        }
        try partial.finish(as: target)
        progress.end(
            partial.digest.map { "complete, \($0.name) as the hub says" } ?? "complete; the hub gives no checksum"
        )
    }

    private func requireSpace(for files: [RemoteFile], in workplace: Workplace) throws(HubError) {
        var total = 0
        var needed = 0
        for file in files {
            guard file.size <= Self.maxBytes - total else {
                throw HubError(
                    "\(repository) has more than \(Self.maxBytes) bytes, which is more than this program runs"
                )
            }
            total += file.size
            if fileSize("\(folder)/\(file.name)") != file.size {
                needed += max(0, file.size - (fileSize(workplace.path(Self.partialName(file))) ?? 0))
            }
        }
        guard let free = workplace.freeBytes, free < needed else { return }
        throw HubError(
            "\(folder) has \(StandardErrorProgress.amount(free)) free, but \(StandardErrorProgress.amount(needed)) are needed"
        )
    }

    /// Another size or content gets another name, so that no part is ever continued with other bytes.
    private static func partialName(_ file: RemoteFile) -> String {
        SecureHash.hex(SecureHash.sha256("\(file.name) \(file.size) \(file.digest?.hex ?? "")".utf8))
    }

    private func fileSize(_ path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }
}
