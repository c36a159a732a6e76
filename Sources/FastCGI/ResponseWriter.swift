import CFastCGI
import Glibc

/// Writes one response: head first, then the body in any number of pieces.
///
/// After a failure (the peer closed, read nothing for the send time-out, or kept the writer waiting for too long in all)
/// every further write is skipped.
package struct ResponseWriter: ~Copyable {
    /// Bytes handed to libfcgi at once, so that a peer that reads drop by drop is noticed in between.
    private static let pieceBytes = 8192

    private let out: UnsafeMutablePointer<FCGX_Stream>
    private let descriptor: Int32
    /// True once the head is written: the status can no longer change.
    package private(set) var hasHead = false
    /// True once the peer no longer takes bytes.
    package private(set) var hasFailed = false

    /// What libfcgi's buffer holds of an answer beside the records around it, so that they leave in one write.
    private static let onePieceBytes = pieceBytes - 128
    private var queuedBytes = 0
    private var isFlushed = false

    /// How long the peer may still keep the writer waiting.
    private var patience: Duration

    private let watch: ClientWatch
    private var watchKey: UInt64?

    init(out: UnsafeMutablePointer<FCGX_Stream>, descriptor: Int32, watch: ClientWatch, patience: Duration) {
        self.out = out
        self.descriptor = descriptor
        self.watch = watch
        self.patience = patience
    }

    /// Calls the action once, on a thread of its own, as soon as the web server closes the connection. One action a request;
    /// it ends with the request.
    package mutating func whenClientGone(_ action: @escaping @Sendable () -> Void) {
        endWatching()
        watchKey = watch.add(descriptor, action)
    }

    mutating func endWatching() {
        guard let key = watchKey else { return }
        watch.remove(descriptor, key: key)
        watchKey = nil
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

    /// Whether nothing has been sent yet, and all of it will be at once, with the request's end.
    private var isInOnePiece: Bool { !isFlushed && queuedBytes <= Self.onePieceBytes }

    /// Sends what is queued, unless it can leave together with the request's end. False when the peer no longer takes bytes.
    package mutating func finish() -> Bool { isInOnePiece ? !isClientGone() : flush() }

    /// Queues body bytes; libfcgi sends them when its 8 KiB are full or at `flush`.
    package mutating func write(_ bytes: [UInt8]) {
        queuedBytes += bytes.count
        for start in stride(from: 0, to: bytes.count, by: Self.pieceBytes) where !hasFailed {
            let piece = bytes[start..<min(start + Self.pieceBytes, bytes.count)]
            timed { [out] in
                piece.withUnsafeBytes { buffer in
                    FCGX_PutStr(buffer.bindMemory(to: CChar.self).baseAddress, Int32(buffer.count), out)
                }
            }
        }
    }

    /// Sends what is queued. False when the peer no longer takes bytes.
    @discardableResult
    package mutating func flush() -> Bool {
        isFlushed = true
        if !hasFailed { timed { [out] in FCGX_FFlush(out) } }
        return !hasFailed
    }

    /// Does one write. libfcgi reports success after a failed one; only the stream's error tells.
    private mutating func timed(_ write: () -> Int32) {
        let start = ContinuousClock.now
        let result = write()
        patience -= .now - start
        if result < 0 || FCGX_GetError(out) != 0 || patience < .zero { hasFailed = true }
    }
}
