import Scheduling

extension GenerationHandle {
    /// How often a waiting worker looks whether its client is still there.
    static let glance = 50  // milliseconds

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
            if let event = next(timeoutMilliseconds: Self.glance) { return event }
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
