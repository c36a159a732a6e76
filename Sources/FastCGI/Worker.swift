import CFastCGI
import Glibc

/// Initialises libfcgi once for the process.
enum LibFastCGI {
    private static let result = cf_init()

    static func initialize() throws(SocketError) {
        guard result == 0 else { throw SocketError("libfcgi cannot initialise (\(result))") }
    }
}

/// Serves one connection at a time with libfcgi; owned by one worker thread.
final class Worker {
    private let options: ListenerOptions
    private let bodyBudget: BodyBudget
    private let watch: ClientWatch
    private let raw = UnsafeMutablePointer<FCGX_Request>.allocate(capacity: 1)  // libfcgi needs a stable address
    /// For the record guard's look ahead and, between its looks, for a piece of the body.
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: RecordGuard.lookAhead, alignment: 16)

    init(options: ListenerOptions, bodyBudget: BodyBudget, watch: ClientWatch) {
        self.options = options
        self.bodyBudget = bodyBudget
        self.watch = watch
        FCGX_InitRequest(raw, -1, FCGI_FAIL_ACCEPT_ON_INTR)
    }

    deinit {
        buffer.deallocate()
        raw.deallocate()
    }

    /// Reads the request on `connection`, calls the handler, answers and closes.
    func serve(_ connection: Int32, _ handler: Listener.Handler) throws(ConnectionError) {
        var isAnswered = false
        defer { finish(connection, isAnswered: isAnswered) }
        guard !isPeerGone(connection) else { throw .closed }  // abandoned while it waited: never start it
        setTimeout(connection, SO_RCVTIMEO, options.receiveTimeout)
        setTimeout(connection, SO_SNDTIMEO, options.sendTimeout)

        let body = try receive(connection)
        defer { if body.held > 0 { bodyBudget.release(body.held) } }
        guard let output = raw.pointee.out else { throw .libfcgi(0) }
        let request = Request(raw: raw, body: body.content)
        var writer = ResponseWriter(out: output, descriptor: connection, watch: watch, patience: options.sendLimit)
        handler(request, &writer)
        writer.endWatching()
        // The byte that would tell the peer that the answer was cut off. One in one piece is still to be sent, by finish() together
        // with the request's end: the web server has all of it, or nothing and asks another responder.
        if !writer.hasFailed { recv(connection, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT)) }
        isAnswered = writer.finish()
    }

    /// Reads the request whole. libfcgi then writes its answer to the connection.
    private func receive(
        _ connection: Int32
    ) throws(ConnectionError) -> (content: Result<[UInt8], BodyError>, held: Int) {
        var pair: [Int32] = [-1, -1]
        guard cf_socket_pair(&pair) == 0 else { throw .system("socketpair: \(systemError())") }
        raw.pointee.ipcFd = pair[0]
        var recordGuard = try RecordGuard(
            descriptor: connection,
            relay: pair[1],
            passedOn: pair[0],
            deadline: Deadline(after: options.receiveTimeout),
            buffer: buffer
        )
        try recordGuard.vetHead()
        raw.pointee.keepConnection = 1  // else libfcgi closes the connection before it reads it
        let code = FCGX_Accept_r(raw)
        guard code == 0 else { throw .libfcgi(code) }
        raw.pointee.keepConnection = 1  // the peer's flag does not count: finish() closes, after one request
        guard raw.pointee.role == FCGI_RESPONDER, let input = raw.pointee.in, FCGX_GetError(input) == 0 else {
            throw .libfcgi(FCGX_GetError(raw.pointee.in))
        }

        let declared = FCGX_GetParam("CONTENT_LENGTH", raw.pointee.envp).map { String(cString: $0) } ?? ""
        let expected = min(max(Int(declared) ?? 0, 0), options.bodyLimit)
        let isHeld = bodyBudget.reserve(expected)
        do {
            let body = try readBody(input, &recordGuard, declared: declared, keeping: isHeld ? expected : 0)
            close(pair[0])
            raw.pointee.ipcFd = connection
            return (body, isHeld ? expected : 0)
        } catch {
            if isHeld { bodyBudget.release(expected) }
            throw error
        }
    }

    /// Ends the request and closes its connection, whatever state it is in.
    private func finish(_ connection: Int32, isAnswered: Bool) {
        let isRead = raw.pointee.ipcFd == connection
        if isRead, !isAnswered {
            FCGX_Free(raw, 0)  // neither writes nor reads, so that the peer sees that the answer is not whole
        } else if raw.pointee.in != nil {
            FCGX_Finish_r(raw)
        }
        if raw.pointee.ipcFd >= 0 { close(raw.pointee.ipcFd) }
        if !isRead { close(connection) }
        raw.pointee.ipcFd = -1
    }

    /// Reads to the end of STDIN, also past the limit: bytes left unread would break the answer at the web server.
    ///
    /// - Parameters:
    ///   - declared: CONTENT_LENGTH; empty without one.
    ///   - room: bytes that may be kept of it.
    private func readBody(
        _ input: UnsafeMutablePointer<FCGX_Stream>,
        _ recordGuard: inout RecordGuard,
        declared: String,
        keeping room: Int
    ) throws(ConnectionError) -> Result<[UInt8], BodyError> {
        var body: [UInt8] = []
        body.reserveCapacity(room)
        var received = 0
        while true {
            let buffered = input.pointee.stop - input.pointee.rdNext
            if buffered == 0 { try recordGuard.vetAhead() }
            // One byte makes libfcgi read at most once; what it then holds is taken without another read.
            let wanted = min(max(buffered, 1), buffer.count)
            let count = Int(FCGX_GetStr(buffer.bindMemory(to: CChar.self).baseAddress, Int32(wanted), input))
            if count <= 0 { break }
            received += count
            if received <= room { body.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        }
        guard FCGX_GetError(input) == 0 else { throw .libfcgi(FCGX_GetError(input)) }
        if received > options.bodyLimit { return .failure(.tooLarge(limit: options.bodyLimit)) }
        guard declared.isEmpty ? received == 0 : Int(declared) == received else {
            return .failure(.lengthMismatch(declared: declared, received: received))
        }
        guard body.count == received else { return .failure(.overloaded) }
        return .success(body)
    }

    private func setTimeout(_ descriptor: Int32, _ option: Int32, _ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        var value = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
        setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
    }
}
