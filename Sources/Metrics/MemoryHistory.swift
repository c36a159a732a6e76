import Synchronization

/// One point of the status page's memory curve.
package struct MemorySample: Sendable, Equatable {
    /// Unix time.
    package var time: Double
    package var residentBytes: Int
    /// Requests answered since start.
    package var requests: UInt64

    package init(time: Double, residentBytes: Int, requests: UInt64) {
        self.time = time
        self.residentBytes = residentBytes
        self.requests = requests
    }
}

/// The last `capacity` samples, at least `interval` seconds apart, in a ring of fixed size. Its lock is its own: the
/// engine never takes it.
package final class MemoryHistory: Sendable {
    package let capacity: Int
    /// Seconds.
    package let interval: Double
    private let ring: Mutex<Ring>

    private struct Ring {
        var samples: [MemorySample] = []
        var oldest = 0
        var lastTime = -Double.infinity
    }

    package init(capacity: Int = 720, interval: Double = 5) {
        self.capacity = max(1, capacity)
        self.interval = interval
        var ring = Ring()
        ring.samples.reserveCapacity(self.capacity)
        self.ring = Mutex(ring)
    }

    /// Keeps the sample if it is due; the caller may offer one as often as it likes. A clock that was set back counts as due.
    /// - Returns: whether it was kept.
    @discardableResult
    package func record(_ sample: MemorySample) -> Bool {
        ring.withLock { ring in
            let elapsed = sample.time - ring.lastTime
            guard elapsed >= interval || elapsed < 0 else { return false }
            ring.lastTime = sample.time
            if ring.samples.count < capacity {
                ring.samples.append(sample)
            } else {
                ring.samples[ring.oldest] = sample
                ring.oldest = (ring.oldest + 1) % capacity
            }
            return true
        }
    }

    /// Oldest first.
    package var samples: [MemorySample] {
        ring.withLock { Array($0.samples[$0.oldest...]) + $0.samples[..<$0.oldest] }
    }
}
