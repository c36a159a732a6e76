import Testing

@testable import Metrics

@Suite struct HistogramTests {
    @Test func countsIntoBucketsUpToAndIncludingTheBound() {
        let histogram = Histogram(bounds: [0.01, 0.1, 1])
        for seconds in [0.01, 0.0100001, 0.1, 5] { histogram.observe(seconds) }
        let reading = histogram.read()
        #expect(reading.cumulativeCounts == [1, 3, 3, 4])
        #expect(reading.count == 4)
        #expect(reading.sumMicroseconds == 10_000 + 10_000 + 100_000 + 5_000_000)
    }

    @Test func survivesSenselessDurations() {
        let histogram = Histogram(bounds: [1])
        histogram.observe(.nan)
        histogram.observe(-3)
        histogram.observe(.infinity)
        let reading = histogram.read()
        #expect(reading.cumulativeCounts == [1, 2])
        #expect(reading.sumMicroseconds == 1_000_000_000_000_000)
    }

    @Test func losesNothingAmongThreads() async {
        let histogram = Histogram(bounds: [0.5])
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask { for _ in 0..<1000 { histogram.observe(0.25) } }
            }
        }
        #expect(histogram.read().cumulativeCounts == [8000, 8000])
        #expect(histogram.read().sumMicroseconds == 2_000_000_000)
    }

    @Test func latencyBoundsResolveClassification() {
        let bounds = Histogram.latencyBounds
        #expect(bounds == bounds.sorted())
        #expect(bounds.filter { (0.005...0.25).contains($0) }.count >= 8)
    }
}
