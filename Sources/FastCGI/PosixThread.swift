import CFastCGI
import Glibc

/// Starts detached threads of the project's own: blocking work never runs on Swift's cooperative pool.
package enum PosixThread {
    /// name: at most 15 bytes are shown. stackBytes: address space; only touched pages cost memory.
    /// touchedBytes: so much of the stack is touched at once, so that memory does not grow when calls go deeper later.
    /// nice: added to the thread's nice value where the kernel allows it.
    package static func start(
        name: String,
        stackBytes: Int = 1 << 20,
        touchedBytes: Int = 0,
        nice: Int32 = 0,
        body: @escaping @Sendable () -> Void
    ) throws(SocketError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let start = Unmanaged.passRetained(
            Start(name: String(name.prefix(15)), touchedBytes: touchedBytes, nice: nice, body: body)
        )
        var thread = pthread_t()
        let code = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                cf_name_thread(start.name)
                // On Linux a nice value belongs to the thread; raising its priority may be refused, which costs nothing.
                if start.nice != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, start.nice) }
                cf_touch_stack(start.touchedBytes)
                start.body()
                return nil
            },
            start.toOpaque()
        )
        if code != 0 {
            start.release()
            throw SocketError("cannot start thread \(name): \(String(cString: strerror(code)))")
        }
    }

    private final class Start: Sendable {
        let name: String
        let touchedBytes: Int
        let nice: Int32
        let body: @Sendable () -> Void
        init(name: String, touchedBytes: Int, nice: Int32, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.touchedBytes = touchedBytes
            self.nice = nice
            self.body = body
        }
    }
}
