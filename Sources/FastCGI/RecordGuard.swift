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

/// Reads a connection for libfcgi, which gets nothing that has not passed the `RecordFilter`: the guard looks ahead with
/// MSG_PEEK and passes on what is in order through a pair of sockets.
///
/// The request's last byte, the reserved one of its last record, stays unread until all of the answer is made: a unix socket
/// that is closed with something unread resets the connection (net/unix/af_unix.c), also by the kernel when the process is
/// killed. So the web server can tell an answer that was cut off from one that ended, which FastCGI over a connection that is
/// merely closed does not let it.
///
/// SO_PEEK_OFF makes successive peeks continue, blocks until newer bytes arrive, and is lowered by the kernel when bytes are
/// read, so its value is the number of vetted bytes that are still unread (socket(7)).
struct RecordGuard: ~Copyable {
    static let lookAhead = 8192
    /// libfcgi reads at most `lookAhead` bytes at a time, and once more when that ends inside a record's header or padding.
    private static let readyBytes = 2 * lookAhead

    private var filter = RecordFilter()
    private let descriptor: Int32
    private let relay: Int32
    private let passedOn: Int32
    private var isPassedOn = false
    private let deadline: Deadline
    private let buffer: UnsafeMutableRawBufferPointer

    /// - Parameters:
    ///   - relay: one end of a pair of sockets, which the guard closes.
    ///   - passedOn: the other end, from which libfcgi reads.
    ///   - buffer: at least `lookAhead` bytes, the worker's own.
    init(
        descriptor: Int32,
        relay: Int32,
        passedOn: Int32,
        deadline: Deadline,
        buffer: UnsafeMutableRawBufferPointer
    ) throws(ConnectionError) {
        var zero: Int32 = 0
        let set = setsockopt(descriptor, SOL_SOCKET, Int32(CF_SO_PEEK_OFF), &zero, socklen_t(MemoryLayout<Int32>.size))
        guard set == 0 else {
            defer { close(relay) }
            throw .system("SO_PEEK_OFF: \(systemError())")
        }
        self.descriptor = descriptor
        self.relay = relay
        self.passedOn = passedOn
        self.deadline = deadline
        self.buffer = buffer
    }

    deinit { close(relay) }

    /// Passes on everything up to the end of the parameters and what libfcgi may read beyond them.
    mutating func vetHead() throws(ConnectionError) {
        while filter.phase == .begin || filter.phase == .parameters { try peek() }
        try vetAhead()
    }

    /// Passes on as much as libfcgi may want next, or all up to the request's end.
    mutating func vetAhead() throws(ConnectionError) {
        let waiting = unreadBytes
        while filter.phase != .ended, waiting + vettedBytes < Self.readyBytes { try peek() }
        try passOn()
    }

    /// What libfcgi has not read yet.
    private var unreadBytes: Int {
        var count: Int32 = 0
        return ioctl(passedOn, UInt(FIONREAD), &count) == 0 ? Int(count) : 0
    }

    private var vettedBytes: Int {
        var offset: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, Int32(CF_SO_PEEK_OFF), &offset, &size) == 0 else { return 0 }
        return Int(offset)
    }

    private mutating func passOn() throws(ConnectionError) {
        guard !isPassedOn else { return }
        isPassedOn = filter.phase == .ended
        var left = vettedBytes - (isPassedOn ? 1 : 0)
        while left > 0 {
            let count = recv(descriptor, buffer.baseAddress, min(left, buffer.count), 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("recv: \(systemError())") }
            try send(count)
            left -= count
        }
        guard isPassedOn else { return }
        buffer[0] = 0  // in place of the byte that stays, of which nobody reads the value
        try send(1)
    }

    /// Sends from the buffer. The pair has room for the longest parameters and `readyBytes` (net.core.wmem_default).
    private func send(_ count: Int) throws(ConnectionError) {
        guard Glibc.send(relay, buffer.baseAddress, count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT)) == count else {
            throw .system("the request cannot be passed on: \(systemError())")
        }
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
