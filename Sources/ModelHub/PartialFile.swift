import Glibc
import ModelFiles

/// Takes the body of a response.
protocol BodySink: AnyObject {
    /// Where the next request should go on; 0: from the start.
    var position: Int { get }
    /// A body follows that begins at `start` of a content of `total` bytes, where the server says so.
    func begin(at start: Int, total: Int?) throws(HubError)
    func write(_ bytes: UnsafeRawBufferPointer) throws(HubError)
    /// Whether all has come; throws if what has come is something else.
    func isComplete() throws(HubError) -> Bool
}

/// A small document in memory.
final class MemorySink: BodySink {
    private let limit: Int
    private(set) var bytes: [UInt8] = []
    let position = 0

    init(limit: Int) { self.limit = limit }

    func begin(at start: Int, total: Int?) { bytes.removeAll() }

    func write(_ part: UnsafeRawBufferPointer) throws(HubError) {
        guard bytes.count + part.count <= limit else {
            throw HubError("the list of files is larger than \(limit) bytes")
        }
        bytes += part
    }

    func isComplete() -> Bool { true }
}

/// A file on its way: its bytes so far, which outlive the program, and their hash.
final class PartialFile: BodySink {
    private let file: RemoteFile
    private let path: String
    private let descriptor: Int32
    private let progress: any DownloadProgress
    /// What the content must have; the list's, or where it has none, what the hub announces.
    private(set) var digest: FileDigest?
    private var hash: SecureHash?
    private(set) var position = 0

    /// Opens what an earlier run left, if that can be checked, or a new file.
    init(_ file: RemoteFile, path: String, progress: any DownloadProgress) throws(HubError) {
        self.file = file
        self.path = path
        self.progress = progress
        digest = file.digest
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw fileError("cannot write \(path)") }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        hash = digest?.hash(size: file.size)
        if size > 0, size <= file.size, hash != nil {
            hash = try Self.hash(of: descriptor, bytes: size, from: hash, path)
            position = size
        } else {
            try restart()
        }
    }

    deinit {
        if position == 0 { unlink(path) }
        close(descriptor)
    }

    func isComplete() throws(HubError) -> Bool {
        guard !isPointer else {
            try restart()
            throw HubError("the server has only a Git LFS pointer of \(file.name), not the file; try another mirror")
        }
        return position == file.size
    }

    /// The hub has said what the content is.
    func expect(_ announced: FileDigest) throws(HubError) {
        guard let digest else {
            digest = announced
            return try restart()
        }
        if digest.isDifferent(from: announced) {
            throw HubError("\(file.name) has changed since the list was made; run the command again")
        }
    }

    func begin(at start: Int, total: Int?) throws(HubError) {
        if let total, total != file.size, total > Self.pointerBytes {
            throw HubError("\(file.name) has \(total) bytes there, but \(file.size) in the list; run the command again")
        }
        if start == position { return }
        guard start == 0 else {
            throw HubError("the server sent \(file.name) from byte \(start), not from \(position)")
        }
        try restart()
    }

    func write(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
        guard position + bytes.count <= file.size else {
            unlink(path)
            throw HubError("the server sent more than the \(file.size) bytes of \(file.name); run the command again")
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(descriptor, part.baseAddress, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw errno == ENOSPC
                    ? HubError(
                        "the disk is full: make room for \(file.size - position) bytes and run the command again"
                    )
                    : fileError("cannot write \(path)")
            }
            hash?.add(UnsafeRawBufferPointer(rebasing: part[..<count]))
            position += count
            rest = rest.dropFirst(count)
        }
        progress.advance(to: position)
    }

    /// Compares the digest and puts the file in its place. A wrong one is removed.
    func finish(as target: String) throws(HubError) {
        if let digest, let hash {
            let actual = SecureHash.hex(hash.finish())
            guard actual == digest.hex else {
                unlink(path)
                throw HubError(
                    "\(file.name) is damaged: its \(digest.name) is \(actual), not \(digest.hex); run the command again"
                )
            }
        }
        guard fsync(descriptor) == 0, rename(path, target) == 0 else { throw fileError("cannot write \(target)") }
    }

    /// Whether what has come is the text that stands for a file in Git LFS.
    private var isPointer: Bool {
        guard position < file.size, position <= Self.pointerBytes else { return false }
        var bytes = [UInt8](repeating: 0, count: position)
        let count = pread(descriptor, &bytes, position, 0)
        return count == position && bytes.starts(with: "version https://git-lfs.github.com/spec/".utf8)
    }

    /// Forgets what has come.
    func restart() throws(HubError) {
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
            throw fileError("cannot write \(path)")
        }
        position = 0
        hash = digest?.hash(size: file.size)
    }

    /// Whether `path` is a file with the size and digest; false where no digest is known.
    static func holds(_ file: RemoteFile, at path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var status = stat()
        guard let digest = file.digest, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
            Int(status.st_size) == file.size,
            let hash = try? hash(of: descriptor, bytes: file.size, from: digest.hash(size: file.size), path)
        else { return false }
        return SecureHash.hex(hash.finish()) == digest.hex
    }

    private static let pointerBytes = 1024

    private static func hash(
        of descriptor: Int32,
        bytes count: Int,
        from start: SecureHash?,
        _ path: String
    ) throws(HubError) -> SecureHash? {
        var hash = start
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { buffer.deallocate() }
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw fileError("cannot read \(path)") }
        var left = count
        while left > 0 {
            let got = read(descriptor, buffer.baseAddress, min(left, buffer.count))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw fileError("cannot read \(path)") }
            hash?.add(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
            left -= got
        }
        return hash
    }
}

/// An error of the operating system, with `errno` in words.
func fileError(_ what: String) -> HubError { HubError("\(what): \(String(cString: strerror(errno)))") }
