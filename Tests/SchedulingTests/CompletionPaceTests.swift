import Testing

@testable import Scheduling

@Suite struct CompletionPaceTests {
    private let second: UInt64 = 1_000_000_000

    @Test func saysOneSecondBeforeAnyMeasurement() {
        #expect(CompletionPace().retryAfterSeconds(waiting: 50) == 1)
    }

    @Test func growsWithTheQueueAndTheTimeARequestTakes() {
        var pace = CompletionPace()
        pace.begin(at: 100 * second)
        pace.complete(at: 102 * second)
        #expect(pace.interval == 2)
        #expect(pace.retryAfterSeconds(waiting: 0) == 2)
        #expect(pace.retryAfterSeconds(waiting: 10) == 20)
        #expect(pace.retryAfterSeconds(waiting: 1000) == 60)
    }

    @Test func leavesIdleTimeOut() {
        var pace = CompletionPace()
        pace.begin(at: 0)
        pace.complete(at: second)
        pace.begin(at: 1000 * second)
        pace.complete(at: 1001 * second)
        #expect(pace.interval == 1)
    }
}
