import Synchronization

/// What the engine tells the outside, readable without a lock.
final class EngineProgress: Sendable {
    /// Submitted and not yet ended, work on prefixes included.
    let outstanding = Atomic<Int>(0)
    let running = Atomic<Int>(0)
    let waiting = Atomic<Int>(0)
    let blocksUsed = Atomic<Int>(0)
    let blocksPinned = Atomic<Int>(0)
    let blocksCached = Atomic<Int>(0)
    let steps = Atomic<UInt64>(0)
    /// Nanoseconds of `Clock`: the last begin or end of a step, or the submission that ended idleness.
    let lastStepTime = Atomic<UInt64>(Clock.now())
    let isDraining = Atomic<Bool>(false)
    let slots: [SlotStatus]

    init(maxSequences: Int) {
        slots = (0..<maxSequences).map { _ in SlotStatus() }
    }
}

/// One place in the batch, written by the engine thread alone.
final class SlotStatus: Sendable {
    let admittedAt = Atomic<UInt64>(0)  // 0: free
    let promptTokens = Atomic<Int>(0)
    let computedTokens = Atomic<Int>(0)
    let generatedTokens = Atomic<Int>(0)
}

/// One running sequence as the status page shows it. Its numbers are read one by one and may be a step apart.
package struct SequenceSnapshot: Sendable {
    package var slot: Int
    package var promptTokens: Int
    /// Of prompt and generated ones, those whose keys and values are in the cache.
    package var computedTokens: Int
    package var generatedTokens: Int
    /// Since admission.
    package var seconds: Double
}

/// The scheduler's state, read from atomics.
package struct SchedulerSnapshot: Sendable {
    package var running: Int
    package var waiting: Int
    package var maxSequences: Int
    /// Requests that may wait, of all lanes.
    package var queueLimit: Int
    package var kvBlocksUsed: Int
    package var kvBlocksPinned: Int
    /// Not in use: they hold what ended requests computed until they are needed.
    package var kvBlocksCached: Int
    package var kvBlocksTotal: Int
    /// Engine steps since start.
    package var steps: UInt64
    /// Monotonic nanoseconds: the last begin or end of a step, or the submission that ended idleness.
    package var lastStepTime: UInt64
    package var secondsSinceLastStep: Double
    /// Work is there: if now `secondsSinceLastStep` grows beyond any step's length, the engine hangs.
    package var isBusy: Bool
    package var isDraining: Bool
    package var sequences: [SequenceSnapshot]
}

extension SlotStatus {
    /// nil if the slot is free.
    func snapshot(slot: Int) -> SequenceSnapshot? {
        let admitted = admittedAt.load(ordering: .relaxed)
        guard admitted > 0 else { return nil }
        return SequenceSnapshot(
            slot: slot,
            promptTokens: promptTokens.load(ordering: .relaxed),
            computedTokens: computedTokens.load(ordering: .relaxed),
            generatedTokens: generatedTokens.load(ordering: .relaxed),
            seconds: Clock.seconds(from: admitted, to: Clock.now())
        )
    }
}
