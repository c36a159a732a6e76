@testable import Scheduling

/// Holds the engine in a step until it is opened.
final class Gate: Sendable {
    private struct State: Sendable {
        var isOpen = false
        var isReached = false
    }

    private let state = Monitor(State())

    func pass() {
        state.update { $0.isReached = true }
        _ = state.wait(until: nil) { $0.isOpen ? true : nil }
    }

    func open() {
        state.update { $0.isOpen = true }
    }

    func waitUntilReached() {
        _ = state.wait(until: nil) { $0.isReached ? true : nil }
    }
}
