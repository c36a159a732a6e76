import Scheduling

extension GenerationHandle {
    /// How often a waiting worker looks at the time. That its client has gone it hears at once, see `Departure`.
    static let glance = 250  // milliseconds

    /// The next event. Notices a client that went away, whether the request is queued, in prefill or yields tokens fast,
    /// and the end of its time; leaving the handle then cancels the work. A stream is kept alive meanwhile.
    func nextEvent(
        _ patience: Patience,
        stream: inout EventStream?,
        sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) -> GenerationEvent {
        while true {
            if sink.isClientGone() { throw .clientGone }
            try patience.check()
            let event = next(timeoutMilliseconds: Self.glance)
            if case .finished(let result) = event, result.reason == .cancelled, sink.isClientGone() {
                throw .clientGone
            }
            if let event { return event }
            try stream?.pingIfSilent(to: &sink)
        }
    }

    /// The end of a request that yields no text: a label.
    func result(
        _ patience: Patience,
        stream: inout EventStream?,
        sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) -> GenerationResult {
        while true {
            switch try nextEvent(patience, stream: &stream, sink: &sink) {
            case .token: continue
            case .finished(let result): return result
            case .failed(let failure): throw .error(APIError(failure))
            }
        }
    }
}
