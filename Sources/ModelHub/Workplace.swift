import Glibc

/// The folder that a model goes to, with one inside for parts of files; one process at a time.
final class Workplace {
    private let folder: String
    private let partials: String
    private let descriptor: Int32

    init(folder: String, partialFolder: String) throws(HubError) {
        self.folder = folder
        partials = "\(folder)/\(partialFolder)"
        try Self.make(folder)
        try Self.make(partials)
        descriptor = open(partials, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { throw fileError("cannot open \(partials)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw HubError("another download writes to \(folder); wait for it or choose another --output")
        }
    }

    deinit {
        rmdir(partials)  // which stays while a part is in it
        close(descriptor)
    }

    func path(_ name: String) -> String { "\(partials)/\(name)" }

    /// What may still be written; nil if the system does not say.
    var freeBytes: Int? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        let (bytes, overflow) = Int(clamping: status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
        return overflow ? Int.max : bytes
    }

    /// Removes parts by their names.
    func removePartials(where isStale: (String) -> Bool) {
        guard let directory = opendir(partials) else { return }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(
                withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            )
        }
        closedir(directory)
        for name in names where name.utf8.count == 64 && isStale(name) { unlink(path(name)) }
    }

    /// mkdir -p
    private static func make(_ path: String) throws(HubError) {
        if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw fileError("cannot make the folder \(path)")
        }
        try make(String(path[..<slash]))
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw fileError("cannot make the folder \(path)") }
    }
}
