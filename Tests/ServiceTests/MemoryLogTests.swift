import Glibc
import Logging
import Metrics
import Testing

@testable import Service

@Suite struct MemoryLogTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    @Test func historySurvivesARestart() throws {
        let folder = try TemporaryFolder()
        let first = state(spacing: 1e-6)
        // Times are kept to the millisecond, and two samples of the same one are one.
        for _ in 0..<3 {
            MemoryLog(state: first, folder: folder.path, logger: logger).take()
            usleep(2_000)
        }
        let second = state(spacing: 1e-6)
        let log = MemoryLog(state: second, folder: folder.path, logger: logger)
        log.resume()
        #expect(second.memory.samples == first.memory.samples)
        log.take()
        #expect(second.memory.samples.count == 4)
        #expect(second.memory.samples.allSatisfy { $0.residentBytes > 1 << 20 && $0.virtualBytes > $0.residentBytes })
    }

    @Test func aClockThatWasSetBackIsNoFault() {
        let samples = [2e9, 1e9, 1e9 + 600].map {
            MemorySample(time: $0, residentBytes: 1, virtualBytes: 2, requests: 3)
        }
        let record = MemoryRecord(samples: samples, spacing: 600)
        #expect(MemoryRecord(record.json) == record)
    }

    private static let unreadable = [
        "", "{", "[]", #"{"spacing_seconds":0,"samples":[]}"#, #"{"spacing_seconds":600,"samples":[[1,2,3]]}"#,
    ]

    @Test(arguments: unreadable)
    func aHistoryThatCannotBeReadIsSetAside(text: String) throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/\(MemoryLog.name)"
        try StateFile(path: path).write(Array(text.utf8))
        let state = state(spacing: 600)
        let log = MemoryLog(state: state, folder: folder.path, logger: logger)
        log.resume()
        #expect(state.memory.samples.isEmpty)
        #expect(StateFile(path: path + ".bad").read() == Array(text.utf8))
        log.take()
        let json = try JSONParser.parse(try #require(StateFile(path: path).read()))
        #expect(MemoryRecord(json)?.samples == state.memory.samples)
    }

    @Test func aFolderThatIsGoneIsNoFault() {
        let state = state(spacing: 600)
        MemoryLog(state: state, folder: "/nowhere", logger: logger).take()
        #expect(state.memory.samples.count == 1)
    }

    @Test func theLatestSnapshotIsAMetric() throws {
        let state = state(spacing: 600)
        MemoryLog(state: state, folder: nil, logger: logger).take()
        let name = "llm_memory_snapshot_resident_bytes "
        let line = state.metrics.render().split(separator: "\n").first { $0.hasPrefix(name) }
        let resident = try #require(state.memory.samples.first).residentBytes
        #expect(line.map { Int($0.dropFirst(name.count)) } == resident)
    }

    private func state(spacing: Double) -> ServiceState {
        ServiceState(metrics: ServerMetrics(roles: [], build: []), snapshotSeconds: spacing)
    }
}
