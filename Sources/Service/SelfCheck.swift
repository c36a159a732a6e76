import Glibc
import Inference
import Logging
import Metrics
import ModelFiles
import Scheduling
import Synchronization

/// Compares what the model answers, and the bytes it answers from, with what they were: at start with the record of an
/// earlier one, then again and again with the start's own.
///
/// The canary runs all of the machinery on a short text; the fingerprints cover every byte of the weights. A mismatch is
/// for good: `ServiceState` then answers no request any more.
final class SelfCheck: Sendable {
    private struct Reference: Sendable {
        var canary = CanaryReading()
        /// Fingerprint of the weights in memory; nil before it was taken.
        var weights: UInt64?
    }

    private let engine: RoleEngine
    private let file: ModelFile
    private let golden: GoldenFile?
    private let state: ServiceState
    private let interval: Duration
    private let logger: Logger
    private let reference = Mutex(Reference())

    /// - Parameters:
    ///   - folder: where the record is kept; nil: nowhere, only the running process is compared with itself.
    ///   - interval: how long a good result holds.
    init(
        engine: RoleEngine,
        file: ModelFile,
        folder: String?,
        state: ServiceState,
        interval: Duration,
        logger: Logger
    ) {
        self.engine = engine
        self.file = file
        self.state = state
        self.interval = interval
        self.logger = logger
        golden = folder.map { GoldenFile(folder: $0) }
    }

    // MARK: At start

    /// Runs the canary, before the service is ready. Where its bits are not those recorded, what that means is found out at
    /// once; else `finishStart` does the rest.
    func begin() throws(ServiceError) -> CanaryReading {
        let reading: CanaryReading
        do { reading = try Canary(engine: engine).run() } catch { throw ServiceError("canary: \(error)") }
        reference.withLock { $0.canary = reading }
        if let recorded = golden?.read(), recorded.layout == Self.hex(file.layoutDigest), recorded.program == program,
            recorded.canary != reading.bits
        {
            compareWithRecord()
        }
        return reading
    }

    /// Takes the fingerprints, and compares them with the record or makes one.
    func finishStart() {
        defer { file.releasePages() }  // what was read of it is needed no more
        reference.withLock { $0.weights = engine.model.digestOfWeights() }
        guard state.fault == nil else { return }
        if golden == nil {
            logger.info("self-check: no state folder, so nothing is compared with earlier starts")
            return state.noteSelfCheck(.match)
        }
        compareWithRecord()
    }

    private func compareWithRecord() {
        guard let golden else { return }
        let now = Golden(
            model: engine.summary.name,
            layout: Self.hex(file.layoutDigest),
            program: program,
            canary: reference.withLock { $0.canary.bits },
            parts: file.contentDigests().mapValues(Self.hex),
            time: WallClock.timestamp()
        )
        let recorded = golden.read()
        let comparison = recorded?.compare(now) ?? .otherModel
        let since = "recorded at \(recorded?.time ?? "")"
        let remedy = "restore the model's file; to accept it as it is, delete \(golden.path) and restart"
        switch comparison {
        case .same: break
        case .damaged(let parts):
            let names = parts.prefix(3).joined(separator: ", ") + (parts.count > 3 ? ", …" : "")
            return fail(
                "the model's file differs from the one \(since) in \(parts.count) of \(now.parts.count) parts (\(names)); \(remedy)",
                restart: false
            )
        case .otherBits:
            return fail(
                "the canary's bits differ from those \(since) with the same file and program: suspect memory or processor; \(remedy)",
                restart: false
            )
        case .otherModel, .otherProgram:
            let other = comparison == .otherModel ? "another model" : "another program or KV precision"
            let why = recorded == nil ? "first start" : other
            do {
                try golden.write(now)
                logger.info("self-check: recorded", metadata: ["file": "\(golden.path)", "reason": "\(why)"])
            } catch {
                logger.warning("self-check: not recorded", metadata: ["error": "\(error)"])
            }
        }
        state.noteSelfCheck(.match)
    }

    // MARK: While it runs

    /// Checks whenever a result is older than the interval and the engine has nothing to do; returns once `isOver`.
    func watch(until isOver: () -> Bool) {
        var due = ContinuousClock.now + interval
        let nap = min(.seconds(1), interval / 4)
        while !isOver(), state.fault == nil {
            usleep(UInt32(nap.seconds * 1e6))
            guard .now >= due, !engine.scheduler.snapshot.isBusy else { continue }
            check()
            due = .now + interval
        }
    }

    /// Compares weights and canary with those of the start.
    func check() {
        let start = reference.withLock { $0 }
        guard engine.model.digestOfWeights() == start.weights else {
            return fail("the weights in memory have changed since the start: suspect memory; restart", restart: true)
        }
        do {
            guard try Canary(engine: engine).run() == start.canary else {
                return fail("the canary's bits have changed since the start: suspect memory; restart", restart: true)
            }
        } catch is AdmissionError {
            return  // draining, or suddenly busy
        } catch GenerationFailure.stopped {
            return
        } catch {
            return fail("the canary failed: \(error)", restart: true)
        }
        state.noteSelfCheck(.match)
    }

    private func fail(_ reason: String, restart: Bool) {
        logger.critical("self-check failed", metadata: ["reason": "\(reason)"])
        state.fail(ServiceState.Fault(reason: reason, isCuredByRestart: restart))
        state.noteSelfCheck(.mismatch)
    }

    /// Fingerprint of the executable with the name of its kernels.
    private var program: String {
        let path = "/proc/self/exe"
        return Self.hex(ProgramDigest.of(path)) + " " + engine.kernels
    }

    private static func hex(_ digest: UInt64) -> String { String(digest, radix: 16) }
}
