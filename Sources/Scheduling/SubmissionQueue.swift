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
        var places = PerLane(0)
        var pace = PerLane(CompletionPace())
        /// Cancelled jobs that made room for others and are still to be ended by the engine.
        var cleared: [Job] = []
        var isDraining = false
        var isStopped = false
    }

    private let options: SchedulerOptions
    private let state: Monitor<State>
    private let progress: EngineProgress
    private let metrics: ServerMetrics

    init(options: SchedulerOptions, progress: EngineProgress, metrics: ServerMetrics) {
        self.options = options
        self.progress = progress
        self.metrics = metrics
        state = Monitor(State(lanes: QueueLanes(capacity: options.capacity(of: .label))))
    }

    // MARK: Submitters

    /// Takes in all of the jobs or none.
    func submit(_ jobs: [Job]) throws(AdmissionError) {
        try state.update { state throws(AdmissionError) in
            guard !state.isDraining, !state.isStopped else { throw .draining }
            clearCancelled(&state, for: jobs)
            for lane in Lane.allCases { try checkRoom(jobs.filter { $0.lane == lane }, lane, state) }
            noteArrival(jobs.count)
            for job in jobs {
                state.places[job.lane] += 1
                state.lanes.append(job, to: job.lane)
            }
            publish(state)
        }
    }

    /// Whether a request of many parts may send the next one: a quarter of the places is left to others.
    func hasRoomForMore(in lane: Lane) -> Bool {
        state.withLock { $0.places[lane] < max(1, options.capacity(of: lane) * 3 / 4) }
    }

    /// Where the jobs find no room, those whose readers have gone need not wait for the engine's step to make some.
    private func clearCancelled(_ state: inout State, for jobs: [Job]) {
        let isFull = Lane.allCases.contains { lane in
            state.places[lane] + jobs.count { $0.lane == lane } > options.capacity(of: lane)
        }
        guard isFull, state.cleared.count < options.capacity(of: .label) else { return }
        let removed = state.lanes.remove { $0.isCancelled }
        for job in removed { givePlaceBack(job, &state) }
        state.cleared += removed
    }

    private func givePlaceBack(_ job: Job, _ state: inout State) {
        if job.takePlace() { state.places[job.lane] -= 1 }
    }

    /// Whether the lane has places for all of the jobs, and whether each can be expected to start in time.
    private func checkRoom(_ jobs: [Job], _ lane: Lane, _ state: State) throws(AdmissionError) {
        guard !jobs.isEmpty else { return }
        let waiting = state.lanes.count(in: lane)
        let pace = state.pace[lane]
        guard state.places[lane] + jobs.count <= options.capacity(of: lane) else {
            throw .full(retryAfterSeconds: pace.retryAfterSeconds(waiting: waiting))
        }
        let slots = lane == .label ? options.slots : options.maxSequences
        for (index, job) in jobs.enumerated() {
            guard let limit = job.request.startWithinSeconds else { continue }
            let isFree = state.places[lane] + index < slots && waiting + index == 0
            let wait = isFree ? 0 : pace.wait(behind: waiting + index)
            guard wait <= limit else {
                throw .overdue(
                    waitSeconds: Int(wait.rounded(.up)),
                    retryAfterSeconds: CompletionPace.retryAfterSeconds(wait - limit)
                )
            }
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
        return state.wait(until: deadline) { state in
            Lane.allCases.allSatisfy { lane in state.places[lane] == 0 } ? true : nil
        } ?? false
    }

    // MARK: Engine

    /// Returns at once if the engine has running sequences, else when there is a job. False: stop.
    func waitForWork(hasRunning: Bool) -> Bool {
        state.wait(until: nil) { state in
            if state.isStopped { return false }
            let hasWork = state.prefixJob != nil || state.lanes.count > 0 || !state.cleared.isEmpty
            return hasRunning || hasWork ? true : nil
        } ?? false
    }

    /// The job whose turn it is, if it fits.
    ///
    /// - Parameters:
    ///   - fitsLabels: whether a label fits into what is kept for labels.
    ///   - fits: whether a job fits into the rest.
    func next(fitsLabels: (Job) -> Bool, fits: (Job) -> Bool) -> (job: Job, isInLabels: Bool)? {
        state.withLock { state in
            if let job = state.prefixJob {
                guard fits(job) else { return nil }
                state.prefixJob = nil
                return (job, false)
            }
            defer { publish(state) }
            if let job = state.lanes.nextLabel(fits: fitsLabels) { return (job, true) }
            if let job = state.lanes.next(fits: fits) { return (job, false) }
            // Whoever waits now waits for others to end.
            let now = Clock.now()
            for lane in Lane.allCases {
                state.pace[lane].note(isSaturated: state.lanes.count(in: lane) > 0, at: now)
            }
            return nil
        }
    }

    /// Waiting jobs that were cancelled or can't start in time any more, taken out.
    func removeEnded() -> [Job] {
        let now = Clock.now()
        return state.withLock { state in
            let removed = state.cleared + state.lanes.remove { $0.isCancelled || $0.isOverdue(at: now) }
            state.cleared = []
            publish(state)
            return removed
        }
    }

    /// When a request that was turned away may come again: 1…60 s.
    func retryAfterSeconds(_ lane: Lane) -> Int {
        state.withLock { $0.pace[lane].retryAfterSeconds(waiting: $0.lanes.count(in: lane)) }
    }

    /// Every waiting job, taken out.
    func removeAll() -> [Job] {
        state.withLock { state in
            let removed = state.cleared + state.lanes.remove { _ in true } + [state.prefixJob].compactMap { $0 }
            state.cleared = []
            state.prefixJob = nil
            publish(state)
            return removed
        }
    }

    /// Gives the place of an ended job back.
    ///
    /// - Parameter hasRun: it made room in the batch.
    func release(_ job: Job, hasRun: Bool) {
        state.update { state in
            progress.outstanding.subtract(1, ordering: .relaxed)
            guard job.purpose == .generate else { return }
            givePlaceBack(job, &state)
            if hasRun { state.pace[job.lane].complete(at: Clock.now()) }
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

/// One value for each lane.
struct PerLane<Value> {
    private var label: Value
    private var chat: Value

    init(_ value: Value) {
        label = value
        chat = value
    }

    subscript(lane: Lane) -> Value {
        get { lane == .label ? label : chat }
        set { if lane == .label { label = newValue } else { chat = newValue } }
    }
}

extension PerLane: Sendable where Value: Sendable {}
