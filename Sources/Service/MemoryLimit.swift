import FastCGI
import Inference
import Logging
import Metrics
import Scheduling

extension MemoryBudget {
    /// Refuses to start where the kernel would end the process in the worst case, and says what to lower.
    func check(against limit: ControlGroupLimit?, options: ServerOptions) throws(ServiceError) {
        guard let limit, totalBytes > limit.bytes else { return }
        throw ServiceError(
            "the worst case of memory is \(Self.mebibytes(totalBytes)) MiB, the limit in \(limit.path) "
                + "\(Self.mebibytes(limit.bytes)) MiB: \(remedy(for: limit.bytes, options)), or raise the limit"
        )
    }

    /// The one flag that helps most, of those that leave a service that works.
    private func remedy(for limit: Int, _ options: ServerOptions) -> String {
        let scheduler = options.scheduler
        let tokens = scheduler.kvBlocks * ComputeContext.blockTokens
        // As many workers as requests, unless it is said how many.
        let requests = requestBytes + (options.workers == nil ? options.workerBytes : 0)
        let flags: [(bytes: Int, names: String, now: String)] = [
            (cacheBytes, "--kv-tokens", "\(tokens)"),
            (requests, "--queue and --max-sequences", "\(scheduler.queueLimit) and \(scheduler.maxSequences)"),
            (options.workers == nil ? 0 : options.workerBytes, "--workers", "\(options.mainListener.workers)"),
        ]
        // An eighth of each has to stay.
        let excess = totalBytes - limit
        if let best = flags.max(by: { $0.bytes < $1.bytes }), best.bytes * 7 / 8 >= excess {
            return "lower \(best.names) (now \(best.now), which takes \(Self.mebibytes(best.bytes)) MiB)"
        }
        if flags.reduce(0, { $0 + $1.bytes * 7 / 8 }) >= excess {
            return "lower \(flags.filter { $0.bytes > 0 }.map(\.names).joined(separator: ", "))"
        }
        let weights = Self.mebibytes(weightBytes)
        return "take a smaller model, or one of another weight type (its weights take \(weights) MiB)"
    }

    /// The parts for the log, in bytes.
    var logMetadata: Logger.Metadata {
        [
            "budget_bytes": .stringConvertible(totalBytes), "weights": .stringConvertible(weightBytes),
            "kv_cache": .stringConvertible(cacheBytes), "batch": .stringConvertible(batchBytes),
            "requests": .stringConvertible(requestBytes), "service": .stringConvertible(serviceBytes),
        ]
    }

    /// Rounded up.
    private static func mebibytes(_ bytes: Int) -> Int { (bytes + (1 << 20) - 1) >> 20 }
}
