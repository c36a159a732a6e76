import ModelFiles
import Synchronization

/// One entry of the queue: a request with its stream and cancellation, or work on the pinned prefixes.
final class Job: Sendable {
    enum Purpose: Sendable { case generate, pin, unpin }

    let request: GenerationRequest
    let purpose: Purpose
    let stream: TokenStream
    let submittedAt: UInt64
    /// Too late to start after this time; nil: never.
    let startBy: UInt64?
    private let settled = Atomic<Bool>(false)
    private let abandoned = Atomic<UInt64>(0)
    private let hasPlace = Atomic<Bool>(true)

    init(_ request: GenerationRequest, purpose: Purpose = .generate, submittedAt: UInt64 = Clock.now()) {
        self.request = request
        self.purpose = purpose
        self.submittedAt = submittedAt
        startBy = request.startWithinSeconds.map { submittedAt + UInt64(min(max(0, $0), 1e9) * 1e9) }
        stream = TokenStream(capacity: request.constraint == nil ? request.maxNewTokens + 2 : 2)
    }

    /// Its reader has all it wants.
    func cancel() {
        settled.store(true, ordering: .relaxed)
    }

    /// Its reader is gone.
    func abandon() {
        guard abandonedAt == nil else { return }
        abandoned.store(Clock.now(), ordering: .relaxed)
    }

    /// When its reader went; nil if it is there.
    var abandonedAt: UInt64? {
        let time = abandoned.load(ordering: .relaxed)
        return time > 0 ? time : nil
    }

    var isCancelled: Bool { settled.load(ordering: .relaxed) || abandonedAt != nil }
    /// Takes its place in the queue from it; false if it has none any more.
    func takePlace() -> Bool { hasPlace.exchange(false, ordering: .relaxed) }

    var lane: Lane { request.lane }
    var isLabel: Bool { lane == .label }

    func isOverdue(at time: UInt64) -> Bool { startBy.map { $0 < time } ?? false }
}
