import Glibc

/// The engine's own named pthread. Signals are blocked on it: they belong to the main thread.
struct EngineThread: @unchecked Sendable {
    private let thread: pthread_t
    private static let stackBytes = 1 << 20

    /// Runs `body` on a new thread and nowhere else: what it captures belongs to that thread from now on.
    static func start(name: String, _ body: @escaping () -> Void) throws(SchedulerError) -> EngineThread {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)

        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)  // inherited by the new thread
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

        let box = Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let code = pthread_create(
            &thread,
            &attributes,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                body.nameThread()
                body.run()
                return nil
            },
            box.toOpaque()
        )
        guard code == 0 else {
            box.release()
            throw .thread(errno: code)
        }
        return EngineThread(thread: thread)
    }

    /// Waits for its end; once.
    func join() {
        pthread_join(thread, nil)
    }

    private final class Body {
        private let name: String
        let run: () -> Void

        init(name: String, run: @escaping () -> Void) {
            self.name = name
            self.run = run
        }

        /// Through /proc, since Glibc's module lacks pthread_setname_np. The name only serves ps and debuggers.
        func nameThread() {
            let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0 else { return }
            _ = write(descriptor, name, name.utf8.count)
            close(descriptor)
        }
    }
}
