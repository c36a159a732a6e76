import Synchronization

/// The bytes of large bodies that one listener holds at once, each from its first byte to the end of its answer. With
/// it, memory does not grow with the number of workers times the body limit.
final class BodyBudget: Sendable {
    /// Bodies up to this size are always taken in; what they may take together is small.
    static let smallBody = 16 << 10

    private let limit: Int
    private let held = Atomic<Int>(0)

    init(limit: Int) { self.limit = limit }

    /// False when the body does not fit beside those held; then nothing is to be released.
    func reserve(_ bytes: Int) -> Bool {
        guard bytes > Self.smallBody else { return true }
        if held.add(bytes, ordering: .relaxed).newValue <= limit { return true }
        held.subtract(bytes, ordering: .relaxed)
        return false
    }

    /// Gives back what `reserve` granted.
    func release(_ bytes: Int) {
        if bytes > Self.smallBody { held.subtract(bytes, ordering: .relaxed) }
    }
}
