import Glibc

/// The record on disk; one, of the model that runs.
struct GoldenFile {
    static let name = "golden.json"
    private static let limit = 4 << 20

    let path: String

    init(folder: String) { path = "\(folder)/\(Self.name)" }

    /// nil if there is none, or none that can be read.
    func read() -> Golden? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count < bytes.count, let json = try? JSONParser.parse(Array(bytes[..<count])) else { return nil }
        return Golden(json)
    }

    /// Whole or not at all, whatever happens meanwhile.
    func write(_ golden: Golden) throws(ServiceError) {
        let temporary = "\(path).new"
        let bytes = golden.json.encoded
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("create") }
        let isWritten = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else { throw failure("write") }
    }

    private func failure(_ action: String) -> ServiceError {
        ServiceError("cannot \(action) \(path): \(String(cString: strerror(errno))); check the state folder")
    }
}
