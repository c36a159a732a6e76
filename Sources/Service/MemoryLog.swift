import Logging
import Metrics

/// Looks at the process's memory every so often: into the log, the metrics, and the history, which the state folder keeps over
/// restarts. One thread.
final class MemoryLog: Sendable {
    static let name = "memory.json"

    private let state: ServiceState
    private let file: StateFile?
    private let logger: Logger

    /// - Parameter folder: where the history is kept; nil: it ends with the process.
    init(state: ServiceState, folder: String?, logger: Logger) {
        self.state = state
        self.logger = logger
        file = folder.map { StateFile(path: "\($0)/\(Self.name)") }
    }

    /// Goes on from the history of earlier processes. One that cannot be read is set aside.
    func resume() {
        guard let file, file.exists else { return }
        guard let json = file.read().flatMap({ try? JSONParser.parse($0) }), let record = MemoryRecord(json) else {
            let aside = file.setAside()
            logger.warning(
                "the memory history cannot be read; a new one begins",
                metadata: ["path": "\(file.path)", "set_aside": "\(aside ?? "not even that was possible")"]
            )
            return
        }
        state.memory.resume(record.samples, spacing: record.spacing)
    }

    /// Takes a snapshot now.
    func take() {
        let memory = ProcessMemory.current()
        let requests = state.metrics.requestsEnded
        let time = WallClock.now().rounded(decimals: 3)
        state.metrics.snapshot.set(memory, at: time)
        logger.info(
            "memory",
            metadata: [
                "resident_bytes": .stringConvertible(memory.residentBytes),
                "virtual_bytes": .stringConvertible(memory.virtualBytes),
                "peak_resident_bytes": .stringConvertible(memory.peakResidentBytes),
                "requests": .stringConvertible(requests),
            ]
        )
        let sample = MemorySample(
            time: time,
            residentBytes: memory.residentBytes,
            virtualBytes: memory.virtualBytes,
            requests: requests
        )
        guard state.memory.record(sample), let file else { return }
        do {
            try file.write(MemoryRecord(samples: state.memory.samples, spacing: state.memory.spacing).json.encoded)
        } catch {
            logger.warning("memory history not written", metadata: ["error": "\(error)"])
        }
    }
}

/// The history as the file has it: a row for each sample, of Unix time, resident and virtual bytes and requests.
struct MemoryRecord: Equatable {
    var samples: [MemorySample]
    var spacing: Double

    var json: JSONValue {
        let rows = samples.map { sample -> JSONValue in
            [
                .number(sample.time), .integer(sample.residentBytes), .integer(sample.virtualBytes),
                .integer(Int(clamping: sample.requests)),
            ]
        }
        return ["spacing_seconds": .number(spacing), "samples": .array(rows)]
    }
}

extension MemoryRecord {
    /// nil if it is not what `json` wrote.
    init?(_ json: JSONValue) {
        guard let spacing = json["spacing_seconds"]?.asDouble, spacing.isFinite, spacing > 0,
            case .array(let rows) = json["samples"]
        else { return nil }
        var samples: [MemorySample] = []
        for row in rows {
            guard case .array(let row) = row, row.count == 4, let time = row[0].asDouble,
                case (.integer(let resident), .integer(let virtual), .integer(let requests)) = (row[1], row[2], row[3]),
                time.isFinite, resident >= 0, virtual >= 0, requests >= 0
            else { return nil }
            samples.append(
                MemorySample(
                    time: time,
                    residentBytes: resident,
                    virtualBytes: virtual,
                    requests: UInt64(requests)
                )
            )
        }
        self.init(samples: samples, spacing: spacing)
    }
}

extension JSONValue {
    /// An integer or another number; nil for anything else.
    fileprivate var asDouble: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
}
