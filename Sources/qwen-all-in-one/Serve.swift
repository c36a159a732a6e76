import ArgumentParser
import Glibc
import Logging
import Scheduling
import Service
import ServiceLifecycle
import UnixSignals

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer FastCGI requests until SIGTERM.",
        discussion: """
            Sockets that systemd passes under the names main and ops are used; else the given paths are bound (mode 0660).
            SIGHUP reads the roles and the keys again.

            Example: qwen-all-in-one serve --socket /run/main.sock --ops-socket /run/ops.sock
            """
    )

    @OptionGroup var engine: EngineOptions
    @Option(help: "A file of API keys, made by `keys add`; without it, everyone may use the API.") var keys: String?
    @Option(help: "Unix socket for the API.") var socket = ".run/main.sock"
    @Option(help: "Unix socket for health, metrics and status.") var opsSocket = ".run/ops.sock"
    @Option(help: "Requests that may wait beyond those in the batch.") var queue = 64
    @Option(help: "Threads that serve requests (default: one for each request held, and 8).") var workers: Int?
    @Option(help: "Largest request body in bytes.") var bodyLimit = 1 << 20
    @Option(help: "Seconds that a request may wait for the model; one that would wait longer is refused with 429.")
    var startSeconds = 30
    @Option(help: "Seconds that an answer may take in all.") var answerSeconds = 100
    @Option(help: "Seconds from which a request is logged as slow, at level warning.") var slowSeconds = 10.0
    @Option(help: "Seconds that requests under way have after SIGTERM.") var drainSeconds = 30
    @Option(help: "Folder for what outlives a restart (default: $STATE_DIRECTORY, as systemd sets it; else none).")
    var state: String?
    @Option(help: "Seconds between checks of the model while there is nothing to do.") var selfCheckSeconds = 600
    @Option(help: "Seconds between snapshots of resident and virtual memory, for log, metrics and history.")
    var snapshotSeconds = 600

    func validate() throws {
        for (name, value) in [("--workers", workers ?? 1), ("--body-limit", bodyLimit)] where value < 1 {
            throw ValidationError("\(name) must be at least 1.")
        }
        let seconds = [
            ("--start-seconds", startSeconds), ("--answer-seconds", answerSeconds),
            ("--self-check-seconds", selfCheckSeconds), ("--snapshot-seconds", snapshotSeconds),
        ]
        for (name, value) in seconds where !(1...86_400).contains(value) {
            throw ValidationError("\(name) must be 1 to 86400.")
        }
        guard (0...86_400).contains(slowSeconds) else { throw ValidationError("--slow-seconds must be 0 to 86400.") }
        guard (0...3600).contains(drainSeconds) else { throw ValidationError("--drain-seconds must be 0 to 3600.") }
        guard (0...1000).contains(queue), (workers ?? 1) <= 2000 else {
            throw ValidationError("--queue must be 0 to 1000 and --workers at most 2000.")
        }
    }

    func run() async throws {
        LoggingSystem.bootstrap { JSONLogHandler(label: $0) }
        let logger = Logger(label: "serve")
        var scheduler = try engine.schedulerOptions
        scheduler.queueLimit = queue
        var options = ServerOptions(
            model: try engine.checkedModel,
            rolesDirectory: engine.roles,
            mainSocket: socket,
            opsSocket: opsSocket,
            scheduler: scheduler
        )
        options.keyFile = keys
        options.workers = workers
        options.bodyLimit = bodyLimit
        options.drainLimit = .seconds(drainSeconds)
        options.requestLimits.start = .seconds(startSeconds)
        options.requestLimits.answer = .seconds(answerSeconds)
        options.requestLimits.slow = .seconds(slowSeconds)
        options.stateDirectory = try stateDirectory()
        options.selfCheckInterval = .seconds(selfCheckSeconds)
        options.snapshotInterval = .seconds(snapshotSeconds)
        let server = try Server(options: options, logger: logger)
        var quiet = Logger(label: "lifecycle")
        quiet.logLevel = .error
        try await ServiceGroup(
            services: [server],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: quiet
        ).run()
    }

    /// The state folder, there and writable; nil if none was named.
    private func stateDirectory() throws -> String? {
        guard let path = state ?? getenv("STATE_DIRECTORY").map({ String(cString: $0) }) else { return nil }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST, access(path, W_OK) == 0 else {
            throw ServiceError("cannot write to the state folder \(path): \(String(cString: strerror(errno)))")
        }
        return path
    }
}
