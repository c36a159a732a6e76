import Glibc

/// A regular file, mapped read-only and private for as long as the object lives. The file must not shrink meanwhile.
///
/// `@unchecked Sendable`: the bytes are never written.
final class MappedFile: @unchecked Sendable {
    let path: String
    let bytes: UnsafeRawBufferPointer

    init(path: String) throws(ModelFileError) {
        self.path = path
        // Non-blocking, so that a FIFO is refused below and not waited for.
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw systemError(path, "cannot open") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw systemError(path, "cannot read its size") }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ModelFileError(path: path, reason: "is not a regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else { throw ModelFileError(path: path, reason: "is empty") }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw systemError(path, "cannot map \(size) bytes")
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit {
        munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count)
    }

    /// Whether `part` lies in this mapping.
    func contains(_ part: UnsafeRawBufferPointer) -> Bool {
        guard let start = part.baseAddress, let base = bytes.baseAddress else { return false }
        return start >= base && start + part.count <= base + bytes.count
    }

    /// Gives the whole pages inside `part` back; a later read brings them in again. Pages shared with neighbours stay.
    func releasePages(of part: UnsafeRawBufferPointer) {
        guard contains(part), let start = part.baseAddress else { return }
        let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
        let first = (UInt(bitPattern: start) + page - 1) / page * page
        let end = (UInt(bitPattern: start) + UInt(part.count)) / page * page
        guard first < end else { return }
        madvise(UnsafeMutableRawPointer(bitPattern: first), Int(end - first), MADV_DONTNEED)
    }
}

/// An error of the operating system, with `errno` in words.
func systemError(_ path: String, _ action: String) -> ModelFileError {
    ModelFileError(path: path, reason: "\(action): \(String(cString: strerror(errno)))")
}
