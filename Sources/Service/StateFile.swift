import Glibc

/// A small file in the state folder, written whole or not at all, whatever happens meanwhile.
struct StateFile {
    /// Largest size that is read.
    static let limit = 4 << 20

    let path: String

    /// nil if there is none, or none that can be read.
    func read() -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.limit
        else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
        let count = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        return count == bytes.count ? bytes : nil
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
