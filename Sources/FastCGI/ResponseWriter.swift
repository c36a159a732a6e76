import CFastCGI
import Glibc

/// Writes one response: head first, then the body in any number of pieces.
///
/// After a failure (the peer closed, or read nothing for the send time-out) every further write is skipped.
package struct ResponseWriter: ~Copyable {
    private let out: UnsafeMutablePointer<FCGX_Stream>
    private let descriptor: Int32
    /// True once the head is written: the status can no longer change.
    package private(set) var hasHead = false
    /// True once the peer no longer takes bytes.
    package private(set) var hasFailed = false

    init(out: UnsafeMutablePointer<FCGX_Stream>, descriptor: Int32) {
        self.out = out
        self.descriptor = descriptor
    }

    /// True once the web server closed the connection, which it does as soon as its client goes away; also while
    /// nothing is being written.
    package func isClientGone() -> Bool { hasFailed || isPeerGone(descriptor) }

    /// Writes the status line and headers. Names and values must be free of line breaks.
    package mutating func writeHead(status: Int, headers: [(name: String, value: String)]) {
        guard !hasHead else { return }
        hasHead = true
        var head = "Status: \(status)\r\n"
        for header in headers { head += "\(header.name): \(header.value)\r\n" }
        head += "\r\n"
        write(Array(head.utf8))
    }

    /// Queues body bytes; libfcgi sends them when its 8 KiB are full or at `flush`.
    package mutating func write(_ bytes: [UInt8]) {
        guard !hasFailed, !bytes.isEmpty else { return }
        let written = bytes.withUnsafeBytes { buffer in
            FCGX_PutStr(buffer.bindMemory(to: CChar.self).baseAddress, Int32(clamping: buffer.count), out)
        }
        check(written)
    }

    /// Sends what is queued. False when the peer no longer takes bytes.
    @discardableResult
    package mutating func flush() -> Bool {
        if !hasFailed { check(FCGX_FFlush(out)) }
        return !hasFailed
    }

    /// libfcgi reports success after a failed write; only the stream's error tells.
    private mutating func check(_ result: Int32) {
        if result < 0 || FCGX_GetError(out) != 0 { hasFailed = true }
    }
}
