/// How fast a saturated lane works requests off, as a moving average over some thirty of them. Only time in which requests
/// had to wait counts: a lane with room says nothing about how fast it could be.
struct CompletionPace: Sendable {
    private let memory = 0.97
    private var seconds = 0.0
    private var completions = 0.0
    /// Start of the saturated time that is not in `seconds` yet.
    private var since: UInt64?

    /// Seconds from one completion to the next; nil before the first.
    var interval: Double? { completions > 0 ? seconds / completions : nil }

    /// Requests have to wait from now on, or no longer. Times are nanoseconds of `Clock`.
    mutating func note(isSaturated: Bool, at time: UInt64) {
        if let since { seconds += Clock.seconds(from: since, to: time) }
        since = isSaturated ? time : nil
    }

    /// A request that had run has ended.
    mutating func complete(at time: UInt64) {
        guard since != nil else { return }
        seconds *= memory
        completions = completions * memory + 1
        note(isSaturated: true, at: time)
    }

    /// Seconds until a request starts that has so many before it; 0 before any measurement.
    func wait(behind count: Int) -> Double { (interval ?? 0) * Double(count + 1) }

    /// Seconds until the queue that is there now has been worked off: 1…60.
    func retryAfterSeconds(waiting: Int) -> Int { Self.retryAfterSeconds(wait(behind: max(0, waiting - 1))) }

    /// Whole seconds, 1…60.
    static func retryAfterSeconds(_ seconds: Double) -> Int { Int(min(60, max(1, seconds.rounded(.up)))) }
}
