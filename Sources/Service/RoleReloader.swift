import Dispatch
import Glibc

/// Calls its action at each SIGHUP, one after the other, on a queue of its own.
final class RoleReloader {
    private let source: any DispatchSourceSignal

    init(action: @escaping @Sendable () -> Void) {
        signal(SIGHUP, SIG_IGN)  // the source sees it all the same
        source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "roles"))
        source.setEventHandler(handler: action)
        source.resume()
    }

    func cancel() { source.cancel() }
}
