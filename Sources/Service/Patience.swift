/// How long requests may take at most.
package struct RequestLimits: Sendable {
    /// The header by which a client asks for less, in milliseconds for the whole answer.
    static let header = "X-Request-Timeout-Ms"

    /// Until the model begins with it.
    package var start = Duration.seconds(30)
    /// Until its answer is complete; less than the web server waits for a silent one.
    package var answer = Duration.seconds(100)
    /// One that takes this long is a warning in the log.
    package var slow = Duration.seconds(10)

    package init() {}

    /// What one request has from now on.
    ///
    /// - Parameter header: the client's header; the request has to start within it, and to end.
    func patience(header: String?) throws(APIError) -> Patience {
        guard let header else { return Patience(start: min(start, answer), answer: answer) }
        guard let milliseconds = Int(header), (1...86_400_000).contains(milliseconds) else {
            throw .invalid("the header \(Self.header) must be a whole number of milliseconds from 1 to 86400000")
        }
        let whole = min(answer, .milliseconds(milliseconds))
        return Patience(start: whole, answer: whole)
    }
}

/// How long one request may still take.
struct Patience: Sendable {
    private let startBy: ContinuousClock.Instant
    private let answerBy: ContinuousClock.Instant
    private let limit: Duration

    init(start: Duration, answer: Duration) {
        let now = ContinuousClock.now
        startBy = now + start
        answerBy = now + answer
        limit = answer
    }

    /// What is left for the model to begin.
    var secondsToStart: Double { max(0, ContinuousClock.now.duration(to: startBy).seconds) }
    /// What is left for the answer.
    var secondsToAnswer: Double { max(0, ContinuousClock.now.duration(to: answerBy).seconds) }

    /// Throws once the answer's time is over.
    func check() throws(Interruption) {
        if .now >= answerBy { throw .error(.answerOverdue(seconds: limit.seconds)) }
    }
}
