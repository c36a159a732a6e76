import Testing

@testable import Metrics

@Suite struct MemoryHistoryTests {
    @Test func keepsEveryOtherSampleOnceItIsFull() {
        let history = MemoryHistory(capacity: 4, spacing: 1)
        for step in 0..<4 { history.record(sample(Double(step))) }
        #expect(history.samples.map(\.time) == [0, 2])
        #expect(history.spacing == 2)
        // From now on twice as far apart.
        #expect(!history.record(sample(3)))
        #expect(history.record(sample(4)))
    }

    @Test func coversAYearInItsBound() {
        let history = MemoryHistory(capacity: 1024, spacing: 600)
        for step in 0..<52_560 { history.record(sample(Double(step) * 600)) }
        #expect((512..<1024).contains(history.samples.count))
        #expect(history.samples.first?.time == 0)
        #expect(52_560 * 600 - (history.samples.last?.time ?? 0) <= history.spacing)
        let gaps = zip(history.samples, history.samples.dropFirst()).map { $1.time - $0.time }
        #expect(Set(gaps) == [history.spacing])
    }

    @Test func ignoresSamplesBeforeTheirTime() {
        let history = MemoryHistory(capacity: 10, spacing: 5)
        #expect(history.record(sample(100)))
        #expect(!history.record(sample(104.9)))
        #expect(history.record(sample(105)))
        #expect(history.samples.map(\.time) == [100, 105])
    }

    @Test func goesOnAfterTheClockWasSetBack() {
        let history = MemoryHistory(capacity: 10, spacing: 5)
        history.record(sample(1000))
        #expect(history.record(sample(10)))
        #expect(history.record(sample(15)))
    }

    @Test func goesOnFromEarlierProcesses() {
        let history = MemoryHistory(capacity: 4, spacing: 1)
        history.resume([sample(1), sample(9)], spacing: 8)
        #expect(!history.record(sample(10)))
        #expect(history.record(sample(17)))
        #expect(history.samples.map(\.time) == [1, 9, 17])
    }

    @Test func takesNoMoreThanItsBoundFromEarlierProcesses() {
        let history = MemoryHistory(capacity: 4, spacing: 1)
        history.resume((0..<100).map { sample(Double($0)) }, spacing: 1)
        #expect(history.samples.map(\.time) == [96, 98])
    }

    private func sample(_ time: Double) -> MemorySample {
        MemorySample(time: time, residentBytes: Int(time) * 1024, virtualBytes: 1 << 30, requests: UInt64(time))
    }
}
