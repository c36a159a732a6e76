/// Why a request was not taken in.
package enum AdmissionError: Error, Sendable, Equatable, CustomStringConvertible {
    /// As many requests as may run and wait are there; worth trying again after so many seconds (1…60).
    case full(retryAfterSeconds: Int)
    /// It would start only after so many seconds, later than it may; a later one may find room.
    case overdue(waitSeconds: Int, retryAfterSeconds: Int)
    /// The scheduler is shutting down.
    case draining
    /// Prompt and new tokens together exceed this many tokens.
    case tooLong(limit: Int)
    /// The request is senseless; says how.
    case invalid(String)

    package var description: String {
        switch self {
        case .full(let seconds): "the queue is full; try again in \(seconds) s"
        case .overdue(let wait, let seconds):
            "it would take about \(wait) s to start, longer than this request may wait; try again in \(seconds) s"
        case .draining: "the server is shutting down; try again later"
        case .tooLong(let limit): "prompt and new tokens exceed \(limit) tokens; shorten the prompt"
        case .invalid(let what): what
        }
    }
}

/// Why the scheduler could not be set up or a prefix not be pinned.
package enum SchedulerError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidOptions(String)
    /// The compute context could not be made.
    case engine(String)
    case thread(errno: Int32)
    case alreadyStarted
    case notRunning
    case prefixTooLong(tokens: Int, limit: Int)
    case invalidPrefix(String)
    case prefixFailed(GenerationFailure)

    package var description: String {
        switch self {
        case .invalidOptions(let what): "scheduler options: \(what)"
        case .engine(let what): "engine: \(what)"
        case .thread(let code): "the engine thread could not be started (errno \(code)); check the limit of threads"
        case .alreadyStarted: "the engine runs already; start it once"
        case .notRunning: "the engine does not run; start it before pinning prefixes"
        case .prefixTooLong(let tokens, let limit):
            "a prefix of \(tokens) tokens can't be pinned, \(limit) fit; shorten it or raise the number of KV blocks"
        case .invalidPrefix(let what): "prefix: \(what)"
        case .prefixFailed(let failure): "prefix: \(failure)"
        }
    }
}
