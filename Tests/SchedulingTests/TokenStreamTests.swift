import Glibc
import Testing

@testable import Scheduling

@Suite struct TokenStreamTests {
    private let ending = GenerationEvent.failed(.stopped)

    @Test func deliversInOrderThenTheEndingAgainAndAgain() {
        let stream = TokenStream(capacity: 4)
        stream.push(5, logprobs: nil)
        stream.push(6, logprobs: nil)
        stream.end(ending)
        stream.end(.failed(.noRoom))
        let outcome = Outcome { stream.next(timeoutMilliseconds: 0) }
        #expect(outcome.tokens == [5, 6])
        #expect(outcome.failure == .stopped)
        #expect(Outcome { stream.next(timeoutMilliseconds: 0) }.failure == .stopped)
    }

    @Test func returnsNilAfterTheTimeout() {
        let stream = TokenStream(capacity: 1)
        let start = Clock.now()
        #expect(stream.next(timeoutMilliseconds: 50) == nil)
        #expect(Clock.seconds(from: start, to: Clock.now()) >= 0.05)
    }

    /// The reader has a thread of its own: waiting must not hold up the tests beside this one.
    @Test func wakesAWaitingReader() throws {
        let stream = TokenStream(capacity: 1)
        let received = TokenStream(capacity: 1)
        let reader = try EngineThread.start(name: "reader") {
            if case .token(let token) = stream.next(timeoutMilliseconds: 60_000) { received.push(token, logprobs: nil) }
        }
        usleep(20_000)
        let start = Clock.now()
        stream.push(9, logprobs: nil)
        reader.join()
        #expect(Clock.seconds(from: start, to: Clock.now()) < 30)
        #expect(Outcome { received.next(timeoutMilliseconds: 0) }.tokens == [9])
    }

    @Test func keepsLogprobsByIndex() {
        let stream = TokenStream(capacity: 1)
        let logprobs = TokenLogprobs(chosen: .init(token: 3, logprob: -0.5), top: [])
        stream.push(3, logprobs: logprobs)
        #expect(stream.logprobs(at: 0) == logprobs)
        #expect(stream.logprobs(at: 1) == nil)
        #expect(stream.logprobs(at: -1) == nil)
    }
}
