import CFastCGI
import Glibc
import Synchronization

/// Notices at once that the other end of a connection has closed, whatever its worker waits for. One thread.
final class ClientWatch: Sendable {
    typealias Action = @Sendable () -> Void

    private struct State {
        var actions: [UInt64: Action] = [:]
        var lastKey: UInt64 = 0
    }

    /// The key of the descriptor that ends the thread.
    private static let end: UInt64 = 0

    private let watch: Int32
    private let wakeUp: Int32
    private let state = Mutex(State())

    init() throws(SocketError) {
        watch = cf_watch()
        wakeUp = cf_eventfd()
        guard watch >= 0, wakeUp >= 0, cf_watch_add(watch, wakeUp, Self.end, UInt32(CF_EPOLLIN)) == 0 else {
            throw SocketError("cannot watch for clients that leave: \(systemError())")
        }
    }

    deinit {
        close(watch)
        close(wakeUp)
    }

    func start(name: String) throws(SocketError) {
        try PosixThread.start(name: name) { [self] in run() }
    }

    func stop() {
        var one: UInt64 = 1
        write(wakeUp, &one, MemoryLayout<UInt64>.size)
    }

    /// Calls the action once, on the watch's thread, when the peer of the descriptor closes, unless `remove` comes first.
    /// Returns the key for that. A key is never used again, so that news of a descriptor reach its next owner never.
    func add(_ descriptor: Int32, _ action: @escaping Action) -> UInt64 {
        let key = state.withLock { state in
            state.lastKey += 1
            state.actions[state.lastKey] = action
            return state.lastKey
        }
        _ = cf_watch_add(watch, descriptor, key, 0)
        return key
    }

    /// Before the descriptor is closed.
    func remove(_ descriptor: Int32, key: UInt64) {
        cf_watch_remove(watch, descriptor)
        state.withLock { $0.actions[key] = nil }
    }

    private func run() {
        while true {
            let key = cf_watch_next(watch)
            guard key != Self.end, key != .max else { return }
            let action = state.withLock { $0.actions.removeValue(forKey: key) }
            action?()
        }
    }
}
