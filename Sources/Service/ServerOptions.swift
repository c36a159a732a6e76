import FastCGI
package import Scheduling

/// What `serve` is told; every bound of the process.
package struct ServerOptions: Sendable {
    package var model: String
    package var rolesDirectory: String
    /// The file of API keys; nil: none are asked for.
    package var keyFile: String?
    /// Paths to bind when systemd passed no sockets named `main` and `ops`.
    package var mainSocket: String
    package var opsSocket: String
    package var scheduler: SchedulerOptions
    /// Threads for main requests; nil: one for each request that the scheduler may hold, and a few to refuse the rest.
    package var workers: Int?
    package var bodyLimit = 1 << 20
    package var requestLimits = RequestLimits()
    /// Folder for what outlives a restart; nil: nothing does.
    package var stateDirectory: String?
    /// How long the result of a self-check holds.
    package var selfCheckInterval = Duration.seconds(600)
    /// Time between looks at the process's memory.
    package var snapshotInterval = Duration.seconds(600)
    /// Time for requests under way when the service is told to end.
    package var drainLimit = Duration.seconds(30)

    package static let opsWorkers = 2

    package init(
        model: String,
        rolesDirectory: String,
        mainSocket: String,
        opsSocket: String,
        scheduler: SchedulerOptions
    ) {
        self.model = model
        self.rolesDirectory = rolesDirectory
        self.mainSocket = mainSocket
        self.opsSocket = opsSocket
        self.scheduler = scheduler
    }

    var mainListener: ListenerOptions {
        ListenerOptions(workers: workers ?? scheduler.mostRequests + 8, bodyLimit: bodyLimit)
    }

    /// What the workers take at most: their stacks, and each a small body that is being parsed and answered.
    var workerBytes: Int {
        mainListener.workers * (Listener.stackBytes + PreparationGate.growth * PreparationGate.smallBody + (64 << 10))
    }

    /// Everything around the engine: the program, its libraries and the tokenizer; the heap's reserve; the workers; large bodies
    /// and the texts in them as they wait, and the one that is being parsed.
    var serviceBytes: Int {
        (48 << 20) + ProcessHeap.reserveBytes + workerBytes + 2 * mainListener.bodyBudget
            + PreparationGate.growth * bodyLimit
    }

    /// Health and metrics come before compute where the kernel lets them.
    var opsListener: ListenerOptions {
        ListenerOptions(workers: Self.opsWorkers, bodyLimit: 4096, nice: -5)
    }
}
