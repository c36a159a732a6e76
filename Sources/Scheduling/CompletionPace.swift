/// How fast requests end while there are any, as a moving average; says when trying again makes sense.
struct CompletionPace: Sendable {
    /// Seconds from one completion to the next; nil before the first.
    private(set) var interval: Double?
    private var last: UInt64 = 0
    private let weight = 0.1

    /// Work starts after idleness, at this time in nanoseconds.
    mutating func begin(at time: UInt64) {
        last = time
    }

    mutating func complete(at time: UInt64) {
        let elapsed = Clock.seconds(from: last, to: time)
        interval = interval.map { $0 + weight * (elapsed - $0) } ?? elapsed
        last = time
    }

    /// Seconds until the queue that is there now has been worked off: 1…60.
    func retryAfterSeconds(waiting: Int) -> Int {
        let seconds = (interval ?? 0) * Double(max(1, waiting))
        return Int(min(60, max(1, seconds.rounded(.up))))
    }
}
