import CFastCGI
import Glibc
import Synchronization

/// Limits of one listener; all bounds of what a peer can make the process hold.
package struct ListenerOptions: Sendable {
    /// Threads, each serving one request at a time.
    package var workers: Int
    /// Largest body handed to the handler; bytes beyond it are read and dropped.
    package var bodyLimit: Int
    /// Bytes of all large bodies (over 16 KiB) held at once; at least `bodyLimit`.
    package var bodyBudget: Int
    /// A request must have arrived whole within this time.
    package var receiveTimeout: Duration
    /// A peer that takes no bytes for this long is given up.
    package var sendTimeout: Duration
    /// So is one that makes the writer of one answer wait for longer than this in all.
    package var sendLimit: Duration
    /// Nice value added to the worker threads.
    package var nice: Int32

    package init(
        workers: Int,
        bodyLimit: Int = 1 << 20,
        bodyBudget: Int = 16 << 20,
        receiveTimeout: Duration = .seconds(10),
        sendTimeout: Duration = .seconds(10),
        sendLimit: Duration = .seconds(30),
        nice: Int32 = 0
    ) {
        self.workers = workers
        self.bodyLimit = bodyLimit
        self.bodyBudget = max(bodyBudget, bodyLimit)
        self.receiveTimeout = receiveTimeout
        self.sendTimeout = sendTimeout
        self.sendLimit = sendLimit
        self.nice = nice
    }
}

/// One listening socket with its acceptor thread, its bounded hand-off and its fixed worker threads.
///
/// Accepting happens here and not in libfcgi: a thread inside its `accept` cannot be woken without poisoning a socket
/// shared with systemd. At most `2 × workers` connections are held; the rest waits in the kernel's backlog.
package final class Listener: Sendable {
    /// Answers a request; called on a worker thread, may block.
    package typealias Handler = @Sendable (borrowing Request, inout ResponseWriter) -> Void
    /// Told about connections that were dropped before a handler could see them.
    package typealias DropObserver = @Sendable (ConnectionError) -> Void

    /// How deep a worker's stack gets in any request, below its first frames: 28 KB were measured. Touched at start.
    package static let stackBytes = 28 << 10

    private let name: String
    private let socket: ListeningSocket
    private let options: ListenerOptions
    private let handOff: HandOff
    private let bodyBudget: BodyBudget
    private let watch: ClientWatch
    private let wakeUp: Int32
    private let busyWorkers = Atomic<Int>(0)
    private let liveThreads = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)

    /// Workers that are serving a request now.
    package var busy: Int { busyWorkers.load(ordering: .relaxed) }
    /// Accepted connections that wait for a worker.
    package var queued: Int { handOff.count }

    package init(name: String, socket: ListeningSocket, options: ListenerOptions) throws(SocketError) {
        self.name = name
        self.socket = socket
        self.options = options
        handOff = HandOff(capacity: options.workers)
        bodyBudget = BodyBudget(limit: options.bodyBudget)
        watch = try ClientWatch()
        wakeUp = cf_eventfd()
        guard wakeUp >= 0 else { throw SocketError("cannot create an eventfd: \(systemError())") }
        _ = fcntl(socket.descriptor, F_SETFL, fcntl(socket.descriptor, F_GETFL) | O_NONBLOCK)
        try LibFastCGI.initialize()
    }

    deinit {
        watch.stop()
        close(wakeUp)
    }

    /// Starts the acceptor and the workers.
    package func start(
        handler: @escaping Handler,
        onDrop: @escaping DropObserver = { _ in }
    ) throws(SocketError) {
        try watch.start(name: "\(name)-watch")
        for index in 0..<options.workers {
            try startThread("\(name)-\(index)") { [self] in work(handler, onDrop) }
        }
        try startThread("\(name)-accept") { [self] in accept() }
    }

    /// Accepts no further connection. Connections already accepted are still answered.
    package func stopAccepting() {
        guard !isStopping.exchange(true, ordering: .sequentiallyConsistent) else { return }
        handOff.stopWaiting()
        var one: UInt64 = 1
        write(wakeUp, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits until every thread has ended after `stopAccepting`. False when the time is over first.
    package func waitUntilIdle(timeout: Duration) -> Bool {
        let deadline = Deadline(after: timeout)
        while liveThreads.load(ordering: .acquiring) > 0 {
            if deadline.isOver { return false }
            usleep(5_000)
        }
        return true
    }

    private func startThread(_ name: String, _ body: @escaping @Sendable () -> Void) throws(SocketError) {
        liveThreads.add(1, ordering: .relaxed)
        do {
            try PosixThread.start(name: name, touchedBytes: Self.stackBytes, nice: options.nice) { [self] in
                body()
                liveThreads.subtract(1, ordering: .releasing)
            }
        } catch {
            liveThreads.subtract(1, ordering: .relaxed)
            throw error
        }
    }

    private func accept() {
        var pollers = [
            pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0),
        ]
        while handOff.waitForRoom() {
            guard poll(&pollers, 2, -1) > 0 else { continue }
            if isStopping.load(ordering: .sequentiallyConsistent) { break }
            let connection = cf_accept(socket.descriptor)
            if connection >= 0 {
                if !handOff.push(connection) { close(connection) }
            } else if errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS {
                usleep(20_000)  // the connection stays in the backlog; polling at once would spin
            }
        }
        handOff.close()  // only now: a connection once accepted is always answered
        socket.closeIfOwned()
    }

    private func work(_ handler: Handler, _ onDrop: DropObserver) {
        let worker = Worker(options: options, bodyBudget: bodyBudget, watch: watch)
        while let connection = handOff.pop() {
            busyWorkers.add(1, ordering: .relaxed)
            do { try worker.serve(connection, handler) } catch { onDrop(error) }
            busyWorkers.subtract(1, ordering: .relaxed)
        }
    }
}
