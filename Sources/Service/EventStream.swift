/// A response of server-sent events (WHATWG HTML, section 9.2). The head goes out with the first event or ping.
struct EventStream {
    /// Silence after which a comment line keeps proxies and clients from giving up.
    static let pingInterval = Duration.seconds(10)

    private let headers: [(name: String, value: String)]
    private var lastWrite = ContinuousClock.now

    init(requestID: String) {
        headers = [
            ("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"), ("X-Request-Id", requestID),
        ]
    }

    /// Sends one event at once.
    mutating func send(_ data: JSONValue, to sink: inout some ResponseSink & ~Copyable) throws(Interruption) {
        try write(Array("data: ".utf8) + data.encoded + Array("\n\n".utf8), to: &sink)
    }

    /// Sends OpenAI's end mark.
    mutating func sendDone(to sink: inout some ResponseSink & ~Copyable) throws(Interruption) {
        try write(Array("data: [DONE]\n\n".utf8), to: &sink)
    }

    mutating func pingIfSilent(to sink: inout some ResponseSink & ~Copyable) throws(Interruption) {
        guard .now - lastWrite >= Self.pingInterval else { return }
        try write(Array(": ping\n\n".utf8), to: &sink)
    }

    private mutating func write(_ bytes: [UInt8], to sink: inout some ResponseSink & ~Copyable) throws(Interruption) {
        if !sink.hasHead { sink.writeHead(status: 200, headers: headers) }
        sink.write(bytes)
        lastWrite = .now
        guard sink.flush() else { throw .clientGone }
    }
}
