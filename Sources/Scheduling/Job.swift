import ModelFiles
import Synchronization

/// One entry of the queue: a request with its stream and cancellation flag, or work on the pinned prefixes.
final class Job: Sendable {
    enum Purpose: Sendable { case generate, pin, unpin }

    let request: GenerationRequest
    let purpose: Purpose
    let stream: TokenStream
    let submittedAt: UInt64
    private let cancelled = Atomic<Bool>(false)

    init(_ request: GenerationRequest, purpose: Purpose = .generate, submittedAt: UInt64 = Clock.now()) {
        self.request = request
        self.purpose = purpose
        self.submittedAt = submittedAt
        stream = TokenStream(capacity: request.constraint == nil ? request.maxNewTokens + 2 : 2)
    }

    func cancel() {
        cancelled.store(true, ordering: .relaxed)
    }

    var isCancelled: Bool { cancelled.load(ordering: .relaxed) }
    var isLabel: Bool { request.constraint != nil }
}
