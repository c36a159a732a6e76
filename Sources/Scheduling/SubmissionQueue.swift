import Metrics
import Synchronization

/// The one bounded way into the engine. Submitters reserve a place until their request has ended; the engine takes jobs
/// out, and sleeps here when there is nothing to do.
final class SubmissionQueue: Sendable {
    private struct State: Sendable {
        var lanes: QueueLanes<Job>
        /// Work on pinned prefixes goes ahead of everything; the scheduler hands in one at a time.
        var prefixJob: Job?
        /// Generation requests waiting and running.
        var places = 0
        var isDraining = false
        var isStopped = false
        var pace = CompletionPace()
    }

    /// Requests that may wait and run at once.
    let capacity: Int
    private let state: Monitor<State>
    private let progress: EngineProgress
    private let metrics: ServerMetrics

    init(capacity: Int, progress: EngineProgress, metrics: ServerMetrics) {
        self.capacity = capacity
        self.progress = progress
        self.metrics = metrics
        state = Monitor(State(lanes: QueueLanes(capacity: capacity)))
    }

    // MARK: Submitters

    /// Takes in all of the jobs or none.
    func submit(_ jobs: [Job]) throws(AdmissionError) {
        try state.update { state throws(AdmissionError) in
            guard !state.isDraining, !state.isStopped else { throw .draining }
            guard state.places + jobs.count <= capacity else {
                throw .full(retryAfterSeconds: state.pace.retryAfterSeconds(waiting: state.lanes.count))
            }
            if state.places == 0 { state.pace.begin(at: Clock.now()) }
            state.places += jobs.count
            noteArrival(jobs.count)
            for job in jobs { state.lanes.append(job, to: job.isLabel ? .label : .chat) }
            publish(state)
        }
    }

    /// False if the engine is stopped or draining, or another such job is pending.
    func submit(prefixJob: Job) -> Bool {
        state.update { state in
            guard !state.isDraining, !state.isStopped, state.prefixJob == nil else { return false }
            state.prefixJob = prefixJob
            noteArrival(1)
            return true
        }
    }

    func drain() {
        state.update { $0.isDraining = true }
        progress.isDraining.store(true, ordering: .relaxed)
    }

    func stop() {
        drain()
        state.update { $0.isStopped = true }
    }

    /// Waits until nothing is queued or running; false if that took too long.
    func waitUntilIdle(timeoutMilliseconds: Int) -> Bool {
        let deadline = Clock.now() + UInt64(max(0, timeoutMilliseconds)) * 1_000_000
        return state.wait(until: deadline) { $0.places == 0 ? true : nil } ?? false
    }

    // MARK: Engine

    /// Returns at once if the engine has running sequences, else when there is a job. False: stop.
    func waitForWork(hasRunning: Bool) -> Bool {
        state.wait(until: nil) { state in
            if state.isStopped { return false }
            return hasRunning || state.prefixJob != nil || state.lanes.count > 0 ? true : nil
        } ?? false
    }

    /// The job whose turn it is, if it fits.
    func next(fits: (Job) -> Bool) -> Job? {
        state.withLock { state in
            if let job = state.prefixJob {
                guard fits(job) else { return nil }
                state.prefixJob = nil
                return job
            }
            let job = state.lanes.next(fits: fits)
            publish(state)
            return job
        }
    }

    /// Waiting jobs that were cancelled, taken out.
    func removeCancelled() -> [Job] {
        state.withLock { state in
            let removed = state.lanes.remove { $0.isCancelled }
            publish(state)
            return removed
        }
    }

    /// Every waiting job, taken out.
    func removeAll() -> [Job] {
        state.withLock { state in
            let removed = state.lanes.remove { _ in true } + [state.prefixJob].compactMap { $0 }
            state.prefixJob = nil
            publish(state)
            return removed
        }
    }

    /// Gives the place of an ended job back.
    func release(_ job: Job) {
        state.update { state in
            progress.outstanding.subtract(1, ordering: .relaxed)
            guard job.purpose == .generate else { return }
            state.places -= 1
            if !job.isCancelled { state.pace.complete(at: Clock.now()) }
        }
    }

    private func noteArrival(_ count: Int) {
        if progress.outstanding.load(ordering: .relaxed) == 0 {
            progress.lastStepTime.store(Clock.now(), ordering: .relaxed)
        }
        progress.outstanding.add(count, ordering: .relaxed)
    }

    private func publish(_ state: State) {
        progress.waiting.store(state.lanes.count, ordering: .relaxed)
        metrics.requestsWaiting.set(state.lanes.count)
    }
}
