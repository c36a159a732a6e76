import Glibc

/// The whole content of a file of at most 256 MiB.
func readFile(_ path: String) throws(TokenizerError) -> [UInt8] {
    let limit = 256 << 20
    // Non-blocking, so that a FIFO is refused below and not waited for.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw TokenizerError(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        throw TokenizerError(path: path, reason: "is not a regular file")
    }
    guard status.st_size <= limit else {
        throw TokenizerError(path: path, reason: "is larger than the \(limit) bytes that a tokenizer's file may have")
    }
    let size = Int(status.st_size)
    var failure: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        while count < size {
            let received = read(descriptor, buffer.baseAddress?.advanced(by: count), size - count)
            if received > 0 {
                count += received
            } else if received == 0 || errno != EINTR {
                failure = received == 0 ? 0 : errno
                break
            }
        }
    }
    guard failure == 0 else { throw TokenizerError(path: path, reason: String(cString: strerror(failure))) }
    return bytes
}

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }
