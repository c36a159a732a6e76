import Testing

@testable import Scheduling

@Suite struct CompletionPaceTests {
    private let second: UInt64 = 1_000_000_000

    @Test func knowsNothingBeforeAnyMeasurement() {
        #expect(CompletionPace().interval == nil)
        #expect(CompletionPace().wait(behind: 50) == 0)
        #expect(CompletionPace().retryAfterSeconds(waiting: 50) == 1)
    }

    @Test func growsWithTheQueueAndTheTimeARequestTakes() {
        var pace = CompletionPace()
        pace.note(isSaturated: true, at: 100 * second)
        pace.complete(at: 102 * second)
        #expect(pace.interval == 2)
        #expect(pace.wait(behind: 0) == 2 && pace.wait(behind: 9) == 20)
        #expect(pace.retryAfterSeconds(waiting: 0) == 2)
        #expect(pace.retryAfterSeconds(waiting: 10) == 20)
        #expect(pace.retryAfterSeconds(waiting: 1000) == 60)
    }

    @Test func leavesOutTimeWithoutAQueue() {
        var pace = CompletionPace()
        pace.note(isSaturated: true, at: second)
        pace.complete(at: 2 * second)
        pace.note(isSaturated: false, at: 2 * second)
        pace.complete(at: 500 * second)
        pace.note(isSaturated: true, at: 1000 * second)
        pace.complete(at: 1001 * second)
        #expect(pace.interval.map { abs($0 - 1) < 1e-9 } == true)
    }

    /// Sixteen that end in one step count as sixteen in the time that the step took.
    @Test func completionsComeInBursts() throws {
        var pace = CompletionPace()
        pace.note(isSaturated: true, at: 0)
        var seen: [Double] = []
        for step in 1...20 as ClosedRange<UInt64> {
            for _ in 0..<16 {
                pace.complete(at: step * 4 * second)
                if step > 4 { seen.append(try #require(pace.interval)) }
            }
        }
        #expect(seen.allSatisfy { (0.15...0.4).contains($0) }, "\(seen)")
    }
}
