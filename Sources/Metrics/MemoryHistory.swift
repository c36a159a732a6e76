import Synchronization

/// What the process took at one time.
package struct MemorySample: Sendable, Equatable {
    /// Unix time.
    package var time: Double
    package var residentBytes: Int
    package var virtualBytes: Int
    /// Requests ended since the process's start.
    package var requests: UInt64

    package init(time: Double, residentBytes: Int, virtualBytes: Int, requests: UInt64) {
        self.time = time
        self.residentBytes = residentBytes
        self.virtualBytes = virtualBytes
        self.requests = requests
    }
}

/// Memory from the first start on, in a fixed number of samples: once they are `capacity`, every other one goes, and from then
/// on they are kept twice as far apart. Its lock is its own: the engine never takes it.
package final class MemoryHistory: Sendable {
    package static let defaultCapacity = 1024

    package let capacity: Int
    private let state: Mutex<State>

    private struct State {
        var samples: [MemorySample] = []
        /// Seconds between samples.
        var spacing: Double
    }

    /// - Parameters:
    ///   - capacity: at least 2.
    ///   - spacing: seconds between samples at least, to begin with.
    package init(capacity: Int = defaultCapacity, spacing: Double) {
        self.capacity = max(2, capacity)
        var state = State(spacing: spacing)
        state.samples.reserveCapacity(self.capacity)
        self.state = Mutex(state)
    }

    /// Keeps the sample if it is due. A clock that was set back counts as due.
    /// - Returns: whether it was kept.
    @discardableResult
    package func record(_ sample: MemorySample) -> Bool {
        state.withLock { state in
            // A little early is in time: timers are not exact.
            let elapsed = sample.time - (state.samples.last?.time ?? -.infinity)
            guard elapsed >= state.spacing * 0.99 || elapsed < 0 else { return false }
            state.samples.append(sample)
            if state.samples.count == capacity { Self.thin(&state) }
            return true
        }
    }

    /// Puts the samples of earlier processes in front, which were kept so many seconds apart.
    package func resume(_ earlier: [MemorySample], spacing: Double) {
        state.withLock { state in
            let samples = earlier + state.samples
            state.samples.removeAll(keepingCapacity: true)
            state.samples += samples.suffix(capacity)
            state.spacing = max(state.spacing, spacing)
            if state.samples.count == capacity { Self.thin(&state) }
        }
    }

    private static func thin(_ state: inout State) {
        var index = -1
        state.samples.removeAll { _ in
            index += 1
            return index % 2 == 1
        }
        state.spacing *= 2
    }

    /// Oldest first.
    package var samples: [MemorySample] { state.withLock { $0.samples } }
    /// Seconds between samples now.
    package var spacing: Double { state.withLock { $0.spacing } }
}
