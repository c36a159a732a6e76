package import FastCGI
import Glibc
package import Logging
import Metrics
import Roles

/// The main socket's requests: routes, answers, turns every error into the API's shape, counts and logs.
package struct MainService: Sendable {
    private let state: ServiceState
    private let logger: Logger
    private let limits: RequestLimits
    private let keys: KeyRing
    private let gate = PreparationGate()
    private let startTime = Int(WallClock.now())

    package init(
        state: ServiceState,
        limits: RequestLimits = RequestLimits(),
        keys: KeyRing = KeyRing(nil),
        logger: Logger
    ) {
        self.state = state
        self.limits = limits
        self.keys = keys
        self.logger = logger
    }

    /// Called on a worker thread.
    package func serve(_ request: borrowing Request, _ writer: inout ResponseWriter) {
        answer(Call(request), to: &writer)
    }

    package func answer(_ call: Call, to sink: inout some ResponseSink & ~Copyable) {
        let start = ContinuousClock.now
        var record = CallRecord()
        var status = 200
        var outcome = RequestOutcome.success
        var endpoint: Router.Endpoint?
        do throws(Interruption) {
            try dispatch(call, &record, &endpoint, &sink)
            // A client that left before its whole answer was written did not get it.
            if !sink.finish() { throw .clientGone }
        } catch {
            switch error {
            case .clientGone:
                status = 499  // nginx's own code for it
                outcome = .cancelled
            case .error(let error):
                status = error.status
                outcome = Self.outcome(error)
                send(error, call, record, &sink)
            }
        }
        let seconds = start.duration(to: .now).seconds
        state.metrics.countResponse(status: status)
        if endpoint == .chatCompletions || endpoint == .classify {
            state.metrics.countRequest(role: record.role ?? "", outcome: outcome, seconds: seconds)
            if let role = record.role, let rule = record.fixedReply, outcome == .success {
                state.metrics.countFixedReply(FixedReplyLabels(role: role, rule: rule))
            }
            if let ending = record.ending { state.metrics.contracts.countReply(ending) }
            state.metrics.contracts.controlTexts.add(record.controlTexts)
        }
        log(call, record, status, outcome, seconds)
    }

    private func dispatch(
        _ call: Call,
        _ record: inout CallRecord,
        _ endpoint: inout Router.Endpoint?,
        _ sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        var call = call
        let engine: RoleEngine
        let body: [UInt8]
        let patience: Patience
        do throws(APIError) {
            endpoint = try Router.route(call.method, call.path, in: Router.main)
            call.access = try keys.admit(call.authorization, now: Self.steadyNanoseconds)
            record.key = call.access.name
            engine = try state.engine()
            patience = try limits.patience(header: call.timeout)
            switch call.body {
            case .success(let bytes): body = bytes
            case .failure(let error):
                if case .overloaded = error { state.metrics.countRejection(.bodies) }
                throw APIError(error)
            }
            var scanner = ControlTextScanner(names: engine.controlNames)
            scanner.scan(body)
            record.controlTexts = scanner.count
        } catch {
            throw .error(error)
        }
        let departure = Departure()
        sink.whenClientGone { departure.clientLeft() }
        switch endpoint {
        case .chatCompletions:
            let endpoint = ChatEndpoint(engine: engine, gate: gate, patience: patience, departure: departure)
            try endpoint.respond(to: call, body: body, record: &record, sink: &sink)
        case .classify:
            let endpoint = ClassifyEndpoint(engine: engine, gate: gate, patience: patience, departure: departure)
            try endpoint.respond(to: call, body: body, record: &record, sink: &sink)
        case .model:
            let name = Router.tail(of: call.path, "/v1/models/{model}") ?? ""
            let role = try Interruption.of { () throws(APIError) in
                let role = try engine.book.role(name)
                try call.access.check(role.name)
                return role
            }
            sink.send(Response(json: model(role.name)), requestID: call.id)
        default:
            let list: JSONValue = [
                "object": "list", "data": .array(engine.roles.names.filter(call.access.allows).map(model)),
            ]
            sink.send(Response(json: list), requestID: call.id)
        }
    }

    /// Before the head, an error is the response; in a stream it is an event that clients raise.
    private func send(
        _ error: APIError,
        _ call: Call,
        _ record: CallRecord,
        _ sink: inout some ResponseSink & ~Copyable
    ) {
        guard sink.hasHead else { return sink.send(Response(error), requestID: call.id) }
        sink.write(Array("data: ".utf8) + error.json.encoded + Array("\n\n".utf8))
        sink.flush()
    }

    private func model(_ name: String) -> JSONValue {
        ["id": .string(name), "object": "model", "created": .integer(startTime), "owned_by": .string(Build.name)]
    }

    private static var steadyNanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func outcome(_ error: APIError) -> RequestOutcome {
        switch error.status {
        case 429, 503: .rejected
        case 500...: .failed
        default: .clientError
        }
    }

    /// One line a request: sizes and times, never text. A slow one's line says so and is a warning.
    private func log(
        _ call: Call,
        _ record: CallRecord,
        _ status: Int,
        _ outcome: RequestOutcome,
        _ seconds: Double
    ) {
        var metadata: Logger.Metadata = [
            "request_id": "\(call.id)", "path": "\(call.path.prefix(128))", "status": .stringConvertible(status),
            "outcome": "\(outcome.rawValue)", "seconds": .stringConvertible(seconds.rounded(decimals: 4)),
        ]
        if record.controlTexts > 0 { metadata["control_texts"] = .stringConvertible(record.controlTexts) }
        if let key = record.key { metadata["key"] = "\(key)" }
        if let role = record.role {
            metadata["role"] = "\(role)"
            metadata["prompt_tokens"] = .stringConvertible(record.promptTokens)
            metadata["cached_tokens"] = .stringConvertible(record.cachedTokens)
            metadata["completion_tokens"] = .stringConvertible(record.completionTokens)
            if record.droppedMessages > 0 {
                metadata["truncated_messages"] = .stringConvertible(record.droppedMessages)
            }
            if let rule = record.fixedReply { metadata["fixed_reply"] = "\(rule)" }
            metadata["queue_seconds"] = .stringConvertible(record.queueSeconds.rounded(decimals: 4))
            metadata["prefill_seconds"] = .stringConvertible(record.prefillSeconds.rounded(decimals: 4))
            metadata["decode_seconds"] = .stringConvertible(record.decodeSeconds.rounded(decimals: 4))
        }
        let isSlow = seconds >= limits.slow.seconds
        let level: Logger.Level = outcome == .failed ? .error : isSlow ? .warning : .info
        logger.log(level: level, isSlow ? "slow request" : "request", metadata: metadata)
    }
}

extension Duration {
    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

extension Double {
    func rounded(decimals: Int) -> Double {
        var scale = 1.0
        for _ in 0..<decimals { scale *= 10 }
        return (self * scale).rounded() / scale
    }
}
