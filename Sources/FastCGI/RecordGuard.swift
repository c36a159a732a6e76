import CFastCGI
import Glibc

/// Why a connection was dropped before a handler saw it.
package enum ConnectionError: Error, CustomStringConvertible {
    case records(RecordError)
    case timedOut
    case closed
    case system(String)
    case libfcgi(Int32)

    package var description: String {
        switch self {
        case .records(let error): error.description
        case .timedOut: "the request did not arrive in time"
        case .closed: "the peer closed the connection before its request was complete"
        case .system(let what): what
        case .libfcgi(let code): "libfcgi refused the request (\(code))"
        }
    }
}

/// Looks ahead on a connection with MSG_PEEK so that every byte passes the `RecordFilter` before libfcgi can read it.
///
/// libfcgi reads at most `lookAhead` bytes at a time. The guard keeps that many vetted bytes ahead of it, or all up to
/// the request's end. SO_PEEK_OFF makes successive peeks continue, blocks until newer bytes arrive, and is lowered by
/// the kernel when libfcgi reads, so its value is the number of vetted bytes that are still unread (socket(7)).
struct RecordGuard {
    static let lookAhead = 8192

    private(set) var filter = RecordFilter()
    private let descriptor: Int32
    private let deadline: Deadline
    private let buffer: UnsafeMutableRawBufferPointer

    /// buffer: at least `lookAhead` bytes, the worker's own.
    init(
        descriptor: Int32,
        deadline: Deadline,
        buffer: UnsafeMutableRawBufferPointer
    ) throws(ConnectionError) {
        self.descriptor = descriptor
        self.deadline = deadline
        self.buffer = buffer
        var zero: Int32 = 0
        let set = setsockopt(descriptor, SOL_SOCKET, Int32(CF_SO_PEEK_OFF), &zero, socklen_t(MemoryLayout<Int32>.size))
        guard set == 0 else { throw .system("SO_PEEK_OFF: \(systemError())") }
    }

    /// Vets everything up to the end of the parameters and what libfcgi may read beyond them.
    mutating func vetHead() throws(ConnectionError) {
        while filter.phase == .begin || filter.phase == .parameters { try peek() }
        try vet(upTo: vettedBytes + Self.lookAhead)
    }

    /// Vets until libfcgi's next read cannot reach an unvetted byte.
    mutating func vetAhead() throws(ConnectionError) {
        try vet(upTo: Self.lookAhead)
    }

    private mutating func vet(upTo target: Int) throws(ConnectionError) {
        while filter.phase != .ended, vettedBytes < target { try peek() }
    }

    private var vettedBytes: Int {
        var offset: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, Int32(CF_SO_PEEK_OFF), &offset, &size) == 0 else { return 0 }
        return Int(offset)
    }

    private mutating func peek() throws(ConnectionError) {
        guard !deadline.isOver else { throw .timedOut }
        let count = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_PEEK))
        if count > 0 {
            do throws(RecordError) {
                try filter.consume(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            } catch {
                throw .records(error)
            }
        } else if count == 0 {
            throw .closed
        } else if errno == EAGAIN {
            throw .timedOut
        } else if errno != EINTR {
            throw .system("recv: \(systemError())")
        }
    }
}

/// A point on the monotonic clock.
struct Deadline {
    private let end: ContinuousClock.Instant
    init(after duration: Duration) { end = .now + duration }
    var isOver: Bool { .now >= end }
}

/// The text of the calling thread's `errno`.
func systemError() -> String {
    String(cString: strerror(errno))
}
