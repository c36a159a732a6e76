import Glibc

/// A file in the making: written under a temporary name beside its place, then renamed onto it, so that a reader sees the
/// old file or the whole new one. Removed when not finished. Buffers 1 MiB.
struct OutputFile: ~Copyable {
    private static let bufferBytes = 1 << 20

    private let path: String
    private let temporaryPath: String
    private let descriptor: Int32
    private var buffer: [UInt8] = []
    private var isFinished = false
    /// Bytes written so far.
    private(set) var position = 0

    init(path: String) throws(ModelFileError) {
        self.path = path
        temporaryPath = "\(path).partial-\(getpid())"
        descriptor = Glibc.open(temporaryPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw systemError(path, "cannot create '\(temporaryPath)'") }
        buffer.reserveCapacity(Self.bufferBytes)
    }

    deinit {
        close(descriptor)
        if !isFinished { unlink(temporaryPath) }
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
        position += bytes.count
        if buffer.count + bytes.count > Self.bufferBytes {
            try flush()
            if bytes.count >= Self.bufferBytes { return try writeThrough(bytes) }
        }
        buffer.append(contentsOf: bytes)
    }

    mutating func write(_ bytes: [UInt8]) throws(ModelFileError) {
        try bytes.withUnsafeBufferPointer { part throws(ModelFileError) in try write(UnsafeRawBufferPointer(part)) }
    }

    mutating func write<T: FixedWidthInteger>(_ value: T) throws(ModelFileError) {
        try withUnsafeBytes(of: value.littleEndian) { raw throws(ModelFileError) in try write(raw) }
    }

    /// GGUF's string: length as UInt64, then the bytes.
    mutating func write(string: String) throws(ModelFileError) {
        try write(UInt64(string.utf8.count))
        try write(Array(string.utf8))
    }

    /// Zeros up to the next multiple of `alignment`.
    mutating func pad(to alignment: Int) throws(ModelFileError) {
        try write([UInt8](repeating: 0, count: (alignment - position % alignment) % alignment))
    }

    /// Flushes to the disk and puts the file in its place.
    mutating func finish() throws(ModelFileError) {
        try flush()
        guard fsync(descriptor) == 0 else { throw systemError(path, "cannot write to disk") }
        guard rename(temporaryPath, path) == 0 else { throw systemError(path, "cannot put the file in its place") }
        isFinished = true
    }

    private mutating func flush() throws(ModelFileError) {
        try buffer.withUnsafeBufferPointer { part throws(ModelFileError) in
            try writeThrough(UnsafeRawBufferPointer(part))
        }
        buffer.removeAll(keepingCapacity: true)
    }

    private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws(ModelFileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw systemError(path, "cannot write") }
            rest = rest.dropFirst(written)
        }
    }
}
