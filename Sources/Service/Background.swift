import Dispatch
import FastCGI
import Synchronization

/// A piece of work on a thread of its own, whose result is fetched later.
final class Background<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    init(name: String, _ work: @escaping @Sendable () throws -> Value) throws {
        try PosixThread.start(name: name) { [self] in
            result.withLock { $0 = Result { try work() } }
            isDone.signal()
        }
    }

    /// Waits for the end; what the work threw is thrown here.
    func value() throws -> Value {
        isDone.wait()
        defer { isDone.signal() }
        guard let result = result.withLock({ $0 }) else { throw ServiceError("work ended without a result") }
        return try result.get()
    }
}
