import FastCGI
import Glibc
import Inference
package import Logging
import Metrics
import ModelFiles
import Roles
import Scheduling
import ServiceLifecycle

/// The whole service from bound sockets to the last answer: load, canary, READY, serve, drain.
package final class Server: ServiceLifecycle.Service {
    private let options: ServerOptions
    private let logger: Logger
    private let notifier: SystemdNotifier
    private let file: ModelFile
    private let offer: RoleOffer
    private let budget: MemoryBudget
    private let state: ServiceState
    private let keys: KeyRing
    private let main: Listener
    private let ops: Listener
    /// Whether systemd keeps the main socket while no process serves it.
    private let isActivated: Bool
    private let isOver = Flag()

    /// Checks what can be checked at once and takes the sockets; nothing is accepted yet.
    package init(options: ServerOptions, logger: Logger) throws(ServiceError) {
        self.options = options
        self.logger = logger
        notifier = SystemdNotifier()
        do {
            file = try ModelFile.open(options.model)
            offer = try RoleOffer(directory: options.rolesDirectory, trained: try TrainedRoles(of: file))
            let plan = try MemoryPlan(file: file, options: options.scheduler)
            budget = MemoryBudget(plan: plan, options: options.scheduler, serviceBytes: options.serviceBytes)
            try budget.check(against: .find(), options: options)
            keys = KeyRing(try options.keyFile.map { path throws(ServiceError) in try KeyFile(path: path).keys })
            var inherited = try ListeningSocket.inherited()
            let mainSocket = try inherited.removeValue(forKey: "main") ?? .bind(path: options.mainSocket)
            isActivated = mainSocket.ownedPath == nil
            let opsSocket: ListeningSocket
            do {
                opsSocket = try inherited.removeValue(forKey: "ops") ?? .bind(path: options.opsSocket)
            } catch {
                mainSocket.closeIfOwned()
                throw error
            }
            main = try Listener(name: "main", socket: mainSocket, options: options.mainListener)
            ops = try Listener(name: "ops", socket: opsSocket, options: options.opsListener)
        } catch {
            throw ServiceError("\(error)")
        }
        let build = [
            (name: "version", value: Build.version), (name: "model", value: ModelSummary.name(of: file)),
        ]
        let metrics = ServerMetrics(
            roles: offer.roles.names + [Role.adHocName],
            fixedReplies: offer.fixedReplyLabels,
            build: build
        )
        state = ServiceState(metrics: metrics, snapshotSeconds: options.snapshotInterval.seconds)
    }

    /// Serves until a graceful shutdown is asked for. Health answers from the start. So does the API on a socket of our
    /// own, with 503 until the model is there; on a socket of systemd's, clients wait in its backlog, so that a
    /// restart loses no request.
    package func run() async throws {
        signal(SIGHUP, SIG_IGN)  // else it would end the process until the roles can be read again
        do {
            try startOps()
            if !isActivated { try startMain() }
            try startMonitor()
            try await onThread("load") { [self] in try load() }
            if isActivated { try startMain() }
        } catch {
            closeListeners()
            throw error
        }
        let reloader = RoleReloader { [self] in
            reloadRoles()
            reloadKeys()
        }
        try? await gracefulShutdown()  // throws only when cancelled, which ends the service as well
        reloader.cancel()
        try await onThread("drain") { [self] in drain() }
    }

    // MARK: Start

    private func startOps() throws {
        let service = OpsService(state: state) { [main, options] in
            (main.busy, main.queued, options.mainListener.workers)
        }
        try ops.start(handler: { service.serve($0, &$1) }, onDrop: logDrop)
    }

    private func startMain() throws {
        let service = MainService(state: state, limits: options.requestLimits, keys: keys, logger: logger)
        try main.start(handler: { service.serve($0, &$1) }, onDrop: logDrop)
    }

    private var logDrop: Listener.DropObserver {
        { [logger] error in logger.debug("connection dropped", metadata: ["reason": "\(error)"]) }
    }

    private func load() throws {
        logger.info("memory budget", metadata: budget.logMetadata)
        logger.info("loading", metadata: ["model": "\(options.model)"])
        let engine = try RoleEngine(file: file, offer: offer, options: options.scheduler, metrics: state.metrics)
        state.metrics.memoryBudgetBytes.set(budget.totalBytes)  // alerts take its coming for the end of loading
        try engine.start()
        let selfCheck = SelfCheck(
            engine: engine,
            file: file,
            folder: options.stateDirectory,
            state: state,
            interval: options.selfCheckInterval,
            logger: logger
        )
        let findings = try selfCheck.begin()
        state.becomeReady(engine)
        notifier.send("READY=1\nSTATUS=serving \(engine.summary.name)")
        let summary = engine.summary
        let metadata: Logger.Metadata = [
            "model": "\(summary.name)", "weight_type": "\(summary.weightType)",
            "weight_bytes": .stringConvertible(summary.weightBytes),
            "kv_precision": "\(summary.kvPrecision.rawValue)",
            "memory_budget_bytes": .stringConvertible(budget.totalBytes), "canary": "\(findings)",
        ]
        logger.info("ready", metadata: metadata.merging(offer.logMetadata) { $1 })
        if options.scheduler.coarseOutput, !summary.hasCoarseOutput {
            logger.warning("--coarse-output changes nothing: the model's output matrix is as small itself")
        }
        offer.warn(logger, model: engine.modelIdentity)
        try engine.pinPrefixes()
        logger.info("role prefixes filled")
        try PosixThread.start(name: "self-check") { [isOver] in
            selfCheck.finishStart()
            selfCheck.watch { isOver.isSet }
        }
    }

    // MARK: While it runs

    /// Feeds the watchdog while the engine makes progress, and takes snapshots of memory once the model is there.
    private func startMonitor() throws {
        let memory = MemoryLog(state: state, folder: options.stateDirectory, logger: logger)
        memory.resume()
        let halfWatchdog = (notifier.watchdogInterval ?? .seconds(10)) / 2
        let pause = min(halfWatchdog, .seconds(5), options.snapshotInterval)
        let microseconds = UInt32(pause.seconds * 1e6)
        try PosixThread.start(name: "monitor") { [self] in
            var due = ContinuousClock.now
            while !isOver.isSet {
                if state.snapshot != nil, .now >= due {
                    memory.take()
                    due = .now + options.snapshotInterval
                }
                if state.isProgressing, state.fault?.isCuredByRestart != true { notifier.send("WATCHDOG=1") }
                usleep(microseconds)
            }
        }
    }

    private func reloadRoles() {
        guard case .ready(let engine) = state.phase else { return }
        do {
            let next = try RoleOffer(directory: options.rolesDirectory, trained: offer.trained)
            try engine.replaceRoles(next)
            state.metrics.contracts.countReload(.success)
            logger.info("roles reloaded", metadata: next.logMetadata)
            next.warn(logger, model: engine.modelIdentity)
        } catch {
            state.metrics.contracts.countReload(.failed)
            logger.error("roles not reloaded; the old ones stay", metadata: ["error": "\(error)"])
        }
    }

    private func reloadKeys() {
        guard let path = options.keyFile else { return }
        do {
            let next = try KeyFile(path: path).keys
            keys.replace(next)
            logger.info("keys reloaded", metadata: ["keys": .stringConvertible(next.count)])
        } catch {
            logger.error("keys not reloaded; the old ones stay", metadata: ["error": "\(error)"])
        }
    }

    // MARK: End

    /// Answers what was accepted, within the limit; what still runs then ends with 503.
    private func drain() {
        state.beginDraining()
        notifier.send("STOPPING=1")
        logger.info(
            "draining",
            metadata: ["busy": .stringConvertible(main.busy), "queued": .stringConvertible(main.queued)]
        )
        main.stopAccepting()
        let isComplete = main.waitUntilIdle(timeout: options.drainLimit)
        if case .draining(.some(let engine)) = state.phase { engine.scheduler.stop() }
        if !isComplete { _ = main.waitUntilIdle(timeout: .seconds(5)) }
        closeListeners()
        logger.info("stopped", metadata: ["complete": "\(isComplete)"])
    }

    /// Gives back the sockets and ends all threads but the engine's.
    private func closeListeners() {
        for listener in [main, ops] {
            listener.stopAccepting()
            _ = listener.waitUntilIdle(timeout: .seconds(2))
        }
        isOver.set()
    }

    /// Runs blocking work on a thread of its own while the caller is suspended.
    private func onThread(_ name: String, _ body: @escaping @Sendable () throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            do {
                try PosixThread.start(name: name, stackBytes: 8 << 20) {
                    continuation.resume(with: Result { try body() })
                }
            } catch {
                continuation.resume(throwing: error)
            }
        }
    }
}
