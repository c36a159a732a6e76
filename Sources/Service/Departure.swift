import Scheduling
import Synchronization

/// What is to be given up when a request's client goes away.
final class Departure: Sendable {
    private struct Member {
        weak var handle: GenerationHandle?
    }

    private struct State {
        var members: [Member] = []
        var isGone = false
    }

    private let state = Mutex(State())

    /// Gives the work up when the client goes; at once if it has gone.
    func add(_ handle: GenerationHandle) {
        let isGone = state.withLock { state in
            state.members.removeAll { $0.handle == nil }
            if !state.isGone { state.members.append(Member(handle: handle)) }
            return state.isGone
        }
        if isGone { handle.abandon() }
    }

    func clientLeft() {
        let members = state.withLock { state in
            defer { state.members = [] }
            state.isGone = true
            return state.members
        }
        for member in members { member.handle?.abandon() }
    }
}
