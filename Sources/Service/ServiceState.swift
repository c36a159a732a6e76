package import Metrics
import Scheduling
import Synchronization

/// What the whole process is doing; shared by the endpoints, the status page and the watchdog.
package final class ServiceState: Sendable {
    package enum Phase: Sendable {
        case loading
        case ready(RoleEngine)
        /// Accepts nothing more; nil if the model was not there yet.
        case draining(RoleEngine?)
    }

    /// An engine with work that has made no step for this long hangs; the longest honest step is one prefill chunk.
    package static let stuckAfterSeconds = 30.0

    /// Why nothing is answered any more.
    package struct Fault: Sendable, Equatable {
        package let reason: String
        package let isCuredByRestart: Bool
    }

    /// The latest self-check.
    struct Check: Sendable {
        /// nil: none has ended yet.
        var result: SelfCheckResult?
        /// Unix seconds.
        var time = 0.0
    }

    package let metrics: ServerMetrics
    package let memory: MemoryHistory
    private let current = Mutex(Phase.loading)
    private let currentFault = Mutex<Fault?>(nil)
    private let latestCheck = Mutex(Check())

    /// snapshotSeconds: how far apart the samples of memory are.
    package init(metrics: ServerMetrics, snapshotSeconds: Double = 600) {
        self.metrics = metrics
        memory = MemoryHistory(spacing: snapshotSeconds)
    }

    package var phase: Phase { current.withLock { $0 } }

    package func becomeReady(_ engine: RoleEngine) {
        current.withLock { if case .loading = $0 { $0 = .ready(engine) } }
    }

    package func beginDraining() {
        current.withLock { phase in
            switch phase {
            case .ready(let engine): phase = .draining(engine)
            case .loading: phase = .draining(nil)
            case .draining: break
            }
        }
    }

    // MARK: Self-check

    package var fault: Fault? { currentFault.withLock { $0 } }
    var selfCheck: Check { latestCheck.withLock { $0 } }

    /// The first fault stays.
    func fail(_ fault: Fault) {
        currentFault.withLock { if $0 == nil { $0 = fault } }
    }

    func noteSelfCheck(_ result: SelfCheckResult) {
        metrics.countSelfCheck(result)
        latestCheck.withLock { $0 = Check(result: result, time: WallClock.now()) }
    }

    // MARK: What it says of itself

    /// The engine for a new request. What was accepted before a drain began is still answered.
    func engine() throws(APIError) -> RoleEngine {
        if fault != nil { throw .selfCheckFailed() }
        switch phase {
        case .loading: throw .loading()
        case .ready(let engine), .draining(.some(let engine)): return engine
        case .draining(.none): throw .draining()
        }
    }

    /// True while the engine steps, has nothing to do, or is not there yet.
    package var isProgressing: Bool {
        guard let snapshot else { return true }
        return !snapshot.isBusy || snapshot.secondsSinceLastStep < Self.stuckAfterSeconds
    }

    var snapshot: SchedulerSnapshot? {
        switch phase {
        case .ready(let engine), .draining(.some(let engine)): engine.scheduler.snapshot
        case .loading, .draining(.none): nil
        }
    }

    /// `loading`, `ready`, `draining`, `stuck` or, after a self-check that failed, `faulty`.
    var name: String {
        switch phase {
        case .loading: "loading"
        case .ready where fault != nil: "faulty"
        case .ready: isProgressing ? "ready" : "stuck"
        case .draining: "draining"
        }
    }
}
