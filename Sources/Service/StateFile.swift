import Glibc

/// A small file in the state folder, written whole or not at all, whatever happens meanwhile.
struct StateFile {
    /// Largest size that is read.
    static let limit = 4 << 20

    let path: String

    /// nil if there is none, or none that can be read.
    func read() -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.limit)
        let count = fread(&bytes, 1, bytes.count, file)
        guard count < bytes.count, ferror(file) == 0 else { return nil }
        return Array(bytes[..<count])
    }

    func write(_ bytes: [UInt8]) throws(ServiceError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("create") }
        let isWritten = Glibc.write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0 else { throw failure("write") }
    }

    /// Renames a file that nobody understands, for a person to look at; one, the latest. Its new path, nil if that failed.
    func setAside() -> String? {
        let aside = "\(path).bad"
        return rename(path, aside) == 0 ? aside : nil
    }

    var exists: Bool { access(path, F_OK) == 0 }

    private func failure(_ action: String) -> ServiceError {
        ServiceError("cannot \(action) \(path): \(String(cString: strerror(errno))); check the state folder")
    }
}
