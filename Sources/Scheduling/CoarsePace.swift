/// When greedy replies look for their token in the coarse output matrix: not for more of them at once than it pays for, and
/// the less often, the more often it proved nothing.
struct CoarsePace {
    /// More share one pass over the exact matrix at less cost each.
    static let maxReplies = 4
    /// Steps without it after one that proved nothing, doubled from 1.
    static let maxPause = 64

    private var pause = 0
    private var left = 0

    /// Whether the next step, of so many replies, goes by the coarse matrix.
    mutating func isDue(replies: Int) -> Bool {
        guard left == 0 else {
            left -= 1
            return false
        }
        return replies <= Self.maxReplies
    }

    mutating func note(proved: Bool) {
        pause = proved ? 0 : min(Self.maxPause, max(1, 2 * pause))
        left = pause
    }
}
