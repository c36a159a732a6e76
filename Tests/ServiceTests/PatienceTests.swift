import Glibc
import Metrics
import Scheduling
import Testing

@testable import Service

@Suite struct PatienceTests {
    private let limits = RequestLimits()

    @Test func theClientMayAskForLess() throws {
        let usual = try limits.patience(header: nil)
        #expect((29...30).contains(usual.secondsToStart) && (99...100).contains(usual.secondsToAnswer))
        let hasty = try limits.patience(header: "2000")
        #expect((1...2).contains(hasty.secondsToStart) && (1...2).contains(hasty.secondsToAnswer))
        let patient = try limits.patience(header: "3600000")
        #expect((99...100).contains(patient.secondsToStart) && (99...100).contains(patient.secondsToAnswer))
    }

    @Test(arguments: ["", "0", "-1", "1.5", "2s", "86400001", "99999999999999999999"])
    func refusesASenselessHeader(header: String) throws {
        let error = try #require(throws: APIError.self) { try limits.patience(header: header) }
        #expect(error.status == 400 && error.message.contains("X-Request-Timeout-Ms"))
    }

    private let body = #"{"model":"chat","messages":[{"role":"user","content":"你好"}]}"#

    private func ask(_ body: String, timeout: String?, _ test: TestEngine, limits: RequestLimits) -> (
        Int?, JSONValue?, [String: String]
    ) {
        var sink = Recorder()
        var call = post("/v1/chat/completions", body)
        call.timeout = timeout
        MainServiceTests.service(test.state, limits: limits).answer(call, to: &sink)
        return (sink.status, try? sink.json["error"]?["code"], sink.headers)
    }

    @Test func anAnswerThatTakesTooLongIsGivenUp() throws {
        let test = try TestEngine()
        var limits = RequestLimits()
        limits.answer = .zero
        let (status, code, headers) = ask(body, timeout: nil, test, limits: limits)
        #expect(status == 504 && code == "answer_deadline" && headers["X-Should-Retry"] == "false")
        let end = ContinuousClock.now + .seconds(5)
        while test.engine.scheduler.snapshot.isBusy, .now < end { usleep(2_000) }
        #expect(test.engine.scheduler.snapshot.kvBlocksUsed == 0)
        #expect(ask(body, timeout: "60000", test, limits: self.limits).0 == 200)
        #expect(ask(body, timeout: "soon", test, limits: self.limits).0 == 400)
    }

    /// It waits behind another one, which goes on.
    @Test func whatCannotStartInTimeIsTurnedAway() throws {
        let test = try TestEngine(maxSequences: 1)
        let blocker = try test.engine.scheduler.submit(
            GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 1000, bannedTokens: [256, 257, 258])
        )
        var limits = RequestLimits()
        limits.start = .milliseconds(1)
        let (status, code, headers) = ask(body, timeout: nil, test, limits: limits)
        #expect(status == 429 && code == "start_deadline")
        #expect(headers["Retry-After"].flatMap { Int($0) }.map { (1...60).contains($0) } == true)
        #expect(!test.metrics.render().contains("llm_admission_rejections_total{reason=\"overdue\"} 0\n"))
        #expect(test.engine.scheduler.snapshot.running == 1)
        blocker.cancel()
    }
}
