/// Durations in seconds, counted in fixed buckets. Lock-free and of fixed size, however much is observed.
package final class Histogram: Sendable {
    /// Upper bounds in seconds, ascending; the last bucket (+Inf) has none.
    package let bounds: [Double]
    private let buckets: [Counter]
    private let microseconds = Counter()

    /// From half a millisecond, where a small model answers; fine up to 250 ms, coarse up to a minute.
    package static let latencyBounds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    package init(bounds: [Double] = Histogram.latencyBounds) {
        self.bounds = bounds
        buckets = (0...bounds.count).map { _ in Counter() }
    }

    /// Counts one duration. NaN is dropped, negative ones count as 0, and a sum adds at most 10^9 s at once.
    package func observe(_ seconds: Double) {
        guard !seconds.isNaN else { return }
        let seconds = min(max(seconds, 0), 1e9)
        buckets[bounds.firstIndex { seconds <= $0 } ?? bounds.count].add()
        microseconds.add(Int((seconds * 1e6).rounded()))
    }

    /// What is rendered: counts up to and including each bound, the last of them being the number of observations.
    package struct Reading: Sendable {
        package let cumulativeCounts: [UInt64]
        package let sumMicroseconds: UInt64
        package var count: UInt64 { cumulativeCounts.last ?? 0 }
    }

    /// The count is summed from the buckets read, so a reading agrees with itself while others observe.
    package func read() -> Reading {
        var total: UInt64 = 0
        let counts = buckets.map { bucket in
            total += bucket.value
            return total
        }
        return Reading(cumulativeCounts: counts, sumMicroseconds: microseconds.value)
    }
}
