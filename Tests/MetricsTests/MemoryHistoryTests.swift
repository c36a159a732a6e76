import Testing

@testable import Metrics

@Suite struct MemoryHistoryTests {
    @Test func keepsTheLastSamplesOldestFirst() {
        let history = MemoryHistory(capacity: 3, interval: 1)
        for step in 0..<5 { history.record(sample(Double(step))) }
        #expect(history.samples == [sample(2), sample(3), sample(4)])
    }

    @Test func ignoresSamplesBeforeTheInterval() {
        let history = MemoryHistory(capacity: 10, interval: 5)
        #expect(history.record(sample(100)))
        #expect(!history.record(sample(104.9)))
        #expect(history.record(sample(105)))
        #expect(history.samples.map(\.time) == [100, 105])
    }

    @Test func goesOnAfterTheClockWasSetBack() {
        let history = MemoryHistory(capacity: 10, interval: 5)
        history.record(sample(1000))
        #expect(history.record(sample(10)))
        #expect(history.record(sample(15)))
    }

    private func sample(_ time: Double) -> MemorySample {
        MemorySample(time: time, residentBytes: Int(time) * 1024, requests: UInt64(time))
    }
}
