import Logging
import Metrics
import Testing

@testable import Service

@Suite struct OpsServiceTests {
    let test: TestEngine

    init() throws { test = try MainServiceTests.shared.get() }

    func answer(_ call: Call, _ state: ServiceState) -> (status: Int?, type: String?, text: String) {
        var sink = Recorder()
        OpsService(state: state, workers: { (1, 2, 3) }).answer(call, to: &sink)
        return (sink.status, sink.headers["Content-Type"], sink.text)
    }

    @Test func isHealthyButNotReadyWhileLoading() {
        let loading = ServiceState(metrics: test.metrics)
        #expect(answer(get("/healthz"), loading).status == 200)
        #expect(answer(get("/readyz"), loading).status == 503)
        #expect(answer(get("/status.json"), loading).status == 200)
    }

    @Test func isReadyWithAnEngineAndNotWhileDraining() {
        let state = ServiceState(metrics: test.metrics)
        state.becomeReady(test.engine)
        #expect(answer(get("/readyz"), state).status == 200)
        state.beginDraining()
        #expect(answer(get("/readyz"), state).status == 503)
        #expect(answer(get("/healthz"), state).status == 200)
    }

    @Test func scrapesHaveAContentTypeThatPrometheusTakes() {
        let metrics = answer(get("/metrics"), test.state)
        #expect(metrics.type == "text/plain; version=0.0.4; charset=utf-8")
        #expect(metrics.text.contains("\nllm_num_requests_running "))
    }

    @Test func statusIsJSONWithEverythingThePageDraws() throws {
        MemoryLog(state: test.state, folder: nil, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            .take()
        let status = try JSONParser.parse(Array(answer(get("/status.json"), test.state).text.utf8))
        #expect(status["state"] == "ready")
        #expect(status["workers"]?["total"] == 3)
        #expect(status["model"]?["layers"] == 2)
        #expect(status["engine"]?["kv_blocks"]?["total"] != nil)
        #expect(status["engine"]?["kv_blocks"]?["cached"] != nil)
        #expect(status["roles"]?["chat"]?["requests"]?["success"] != nil)
        guard case .array(let history) = status["memory"]?["history"] else {
            throw APIError.internalFault("no history")
        }
        #expect(!history.isEmpty)
    }

    @Test func knowsOnlyItsOwnPaths() {
        #expect(answer(get("/v1/models"), test.state).status == 404)
        #expect(answer(post("/healthz", ""), test.state).status == 405)
    }

    @Test func quantilesAreInterpolated() {
        let histogram = Histogram(bounds: [1, 2, 4])
        for value in [0.5, 1.5, 1.5, 3] { histogram.observe(value) }
        let reading = histogram.read()
        #expect(reading.quantile(0.5, bounds: histogram.bounds) == 1.5)
        #expect(reading.quantile(1, bounds: histogram.bounds) == 4)
        histogram.observe(100)
        #expect(histogram.read().quantile(1, bounds: histogram.bounds) == 4)
    }
}
