import Glibc

/// Requests to a hub and to where it redirects, with repeats.
struct Transfer {
    private static let maxRedirects = 5
    /// Failures in a row without a byte that came, and in all.
    private static let maxFailures = 5
    private static let maxRepeats = 100
    private static let maxWaitSeconds = 60

    let hub: Hub
    let progress: any DownloadProgress

    /// How a request ended that may be repeated.
    private enum Outcome {
        case done(ResponseHead)
        case failed(reason: String, waitSeconds: Int?)
    }

    /// Brings the content into `sink`, however many requests that takes. Gives the last head.
    ///
    /// - Parameters:
    ///   - what: for messages.
    ///   - check: is told of each head of the hub's own.
    @discardableResult
    func get(
        _ address: WebAddress,
        _ what: String,
        into sink: some BodySink,
        maxSeconds: Int? = nil,
        check: (ResponseHead) throws(HubError) -> Void = { _ in }
    ) throws(HubError) -> ResponseHead {
        var failures = 0
        for _ in 0..<Self.maxRepeats {
            let before = sink.position
            switch try attempt(address, what, sink, maxSeconds, check) {
            case .done(let head): return head
            case .failed(let reason, let wait):
                failures = sink.position > before ? 1 : failures + 1
                guard failures < Self.maxFailures else {
                    throw HubError("\(reason), \(failures) times; run the command again to go on where it stopped")
                }
                let seconds = wait ?? 1 << (failures - 1)
                progress.note("\(reason); again in \(seconds) s")
                sleep(UInt32(seconds))
            }
        }
        throw HubError("\(what) broke off \(Self.maxRepeats) times; run the command again to go on where it stopped")
    }

    /// One request, and those it redirects to.
    private func attempt(
        _ start: WebAddress,
        _ what: String,
        _ sink: some BodySink,
        _ maxSeconds: Int?,
        _ check: (ResponseHead) throws(HubError) -> Void
    ) throws(HubError) -> Outcome {
        var address = start
        for _ in 0...Self.maxRedirects {
            var found: ResponseHead?
            let curl = Curl(
                address: address,
                headers: hub.headers(for: address),
                start: sink.position,
                maxSeconds: maxSeconds
            )
            let failure = try curl.run(
                head: { head throws(HubError) in
                    found = head
                    if address.origin == hub.endpoint.origin { try check(head) }
                    guard head.status == 200 || head.status == 206 else { return false }
                    let range = head.contentRange
                    let total = range?.total ?? head["content-length"].flatMap { Int($0) }
                    try sink.begin(at: range?.start ?? 0, total: total)
                    return true
                },
                body: sink.write
            )
            let place = "\(what) from \(address.authority)"
            if let failure {
                guard failure.mayPass else { throw HubError("cannot fetch \(place): \(failure.message)") }
                return .failed(reason: "\(place) broke off: \(failure.message)", waitSeconds: nil)
            }
            guard let head = found else { continue }
            switch head.status {
            case 200, 206:
                return try sink.isComplete()
                    ? .done(head) : .failed(reason: "\(place) ended too early", waitSeconds: nil)
            case 301, 302, 303, 307, 308:
                guard let next = head["location"].flatMap(address.redirected(to:)) else {
                    throw HubError("\(place) is redirected to where it must not be followed")
                }
                address = next
            case 416:
                if let partial = sink as? PartialFile { try partial.restart() }
                return .failed(reason: "\(place) cannot go on where it stopped", waitSeconds: 0)
            case 429, 500, 502, 503, 504:
                let wait = head.retryAfter(limit: Self.maxWaitSeconds)
                return .failed(reason: "\(place) was refused for now (\(head.status))", waitSeconds: wait)
            default: throw refusal(head, place)
            }
        }
        throw HubError("\(what) is redirected more than \(Self.maxRedirects) times")
    }

    /// What a status means on a hub: without a token one does not say whether a repository is there.
    private func refusal(_ head: ResponseHead, _ place: String) -> HubError {
        let variable = hub.kind.tokenVariable
        switch (head.status, head["x-error-code"]) {
        case (401, "GatedRepo"), (403, "GatedRepo"):
            return HubError(
                "\(place) is gated: ask for access on its page and set \(variable) to a token of that account"
            )
        case (404, "RevisionNotFound"): return HubError("\(place) is not there: no such revision")
        case (404, _): return HubError("\(place) is not there: check the name, the revision and --source")
        case (401, _), (403, _):
            return HubError(
                hub.hasToken
                    ? "\(place) is refused (\(head.status)): the token in \(variable) does not open it, or there is none of the name"
                    : "\(place) is refused (\(head.status)): there is none of the name, or it is private: set \(variable)"
            )
        default: return HubError("\(place) is refused (\(head.status))")
        }
    }
}
