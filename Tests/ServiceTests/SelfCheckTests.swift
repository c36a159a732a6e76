import Glibc
import Logging
import Metrics
import ModelFiles
import Roles
import Scheduling
import Testing

@testable import Inference
@testable import Service

/// Starts over one model file and one state folder, which are gone at the end.
private final class Place {
    let folder = "/tmp/self-check-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    var model: String { "\(folder)/model.gguf" }

    init() throws {
        mkdir(folder, 0o700)
        try synthesize(seed: 7)
    }

    deinit {
        for name in ["model.gguf", GoldenFile.name] { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    func synthesize(seed: UInt64) throws {
        unlink(model)
        try Synthesizer.synthesize(
            ModelShape.tiny.dimensions(tokenCount: 259),
            name: "tiny",
            type: .q8_0,
            seed: seed,
            tokenizer: TestEngine.tokenizer,
            to: model
        )
    }

    /// Flips one bit of the file, counted from its end.
    func flip(byteFromEnd: Int) throws {
        let file = try #require(fopen(model, "r+"))
        defer { fclose(file) }
        fseek(file, -byteFromEnd, SEEK_END)
        var byte = UInt8(truncatingIfNeeded: fgetc(file))
        byte ^= 1
        fseek(file, -byteFromEnd, SEEK_END)
        fwrite(&byte, 1, 1, file)
    }
}

/// One start of the service, as far as the self-check goes.
private final class Start {
    let engine: RoleEngine
    let state: ServiceState
    let check: SelfCheck

    init(_ place: Place, keepsState: Bool = true) throws {
        let file = try ModelFile.open(place.model)
        let offer = try RoleOffer(directory: "\(packageRoot)/roles", trained: nil)
        let metrics = ServerMetrics(roles: offer.roles.names, build: [])
        var options = SchedulerOptions()
        options.threads = 1
        engine = try RoleEngine(file: file, offer: offer, options: options, metrics: metrics)
        try engine.start()
        state = ServiceState(metrics: metrics)
        check = SelfCheck(
            engine: engine,
            file: file,
            folder: keepsState ? place.folder : nil,
            state: state,
            interval: .milliseconds(20),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        _ = try check.begin()
        state.becomeReady(engine)
        check.finishStart()
    }

    deinit { engine.scheduler.stop() }

    func get(_ path: String) throws -> (status: Int?, json: JSONValue) {
        var sink = Recorder()
        OpsService(state: state, workers: { (0, 0, 1) }).answer(
            Call(method: "GET", path: path, id: "test-request", body: .success([])),
            to: &sink
        )
        return (sink.status, try sink.json)
    }

    var mismatches: Bool { state.metrics.render().contains("llm_self_checks_total{result=\"mismatch\"} 1\n") }
}

@Suite struct SelfCheckTests {
    @Test func theSameModelMatchesAtEveryStart() throws {
        let place = try Place()
        for _ in 0..<2 {
            let start = try Start(place)
            #expect(start.state.fault == nil)
            start.check.check()
            #expect(try start.get("/readyz").status == 200)
            #expect(try start.get("/status.json").json["self_check"]?["result"] == "match")
            #expect(start.state.metrics.render().contains("llm_self_checks_total{result=\"match\"} 2\n"))
        }
    }

    @Test(arguments: [1, 1000, 12_345])
    func aFlippedBitInTheFileIsFoundAtTheNextStart(byteFromEnd: Int) throws {
        let place = try Place()
        _ = try Start(place)
        try place.flip(byteFromEnd: byteFromEnd)
        let start = try Start(place)
        let reason = try #require(start.state.fault?.reason)
        #expect(reason.contains(" in 1 of 27 parts (") && reason.contains("golden.json"), "\(reason)")
        let readiness = try start.get("/readyz")
        #expect(readiness.status == 503)
        #expect(readiness.json["error"]?["message"] == .string("not ready: faulty, self-check: \(reason)"))
        #expect(try start.get("/healthz").status == 200)
        let status = try start.get("/status.json").json
        #expect(status["state"] == "faulty")
        #expect(status["self_check"]?["result"] == "mismatch" && status["self_check"]?["reason"] == .string(reason))
        #expect(start.mismatches)
        var sink = Recorder()
        MainServiceTests.service(start.state).answer(
            post("/v1/classify", #"{"model":"sentiment","input":"好"}"#),
            to: &sink
        )
        #expect(sink.status == 503)
        #expect(try sink.json["error"]?["code"] == "self_check_failed")
        // A restart finds the same; the record is not replaced by what is damaged.
        #expect(try Start(place).state.fault?.reason == reason)
        try place.flip(byteFromEnd: byteFromEnd)
        #expect(try Start(place).state.fault == nil)
    }

    @Test(arguments: [0.001, 0.4, 0.999])
    func aFlippedBitInMemoryIsFoundByTheNextCheck(share: Double) throws {
        let start = try Start(try Place(), keepsState: false)
        start.check.check()
        #expect(start.state.fault == nil)
        let memory = start.engine.model.weights.memory
        let offset = Int(Double(memory.count) * share)
        let byte = memory.base.load(fromByteOffset: offset, as: UInt8.self)
        memory.base.storeBytes(of: byte ^ 0x10, toByteOffset: offset, as: UInt8.self)
        let end = ContinuousClock.now + .seconds(20)
        start.check.watch { .now > end }
        #expect(start.state.fault?.isCuredByRestart == true)
        #expect(try start.get("/readyz").status == 503)
        #expect(start.mismatches)
    }

    @Test func anotherModelIsRecordedAnew() throws {
        let place = try Place()
        let first = try Start(place)
        try place.synthesize(seed: 8)
        let second = try Start(place)
        #expect(second.state.fault == nil)
        let bits = GoldenFile(folder: place.folder).read()?.canary
        #expect(try bits == Canary(engine: second.engine).run().bits)
        #expect(try bits != Canary(engine: first.engine).run().bits)
    }

    @Test func otherBitsFromTheSameFileAreAFault() throws {
        let place = try Place()
        _ = try Start(place)
        let file = GoldenFile(folder: place.folder)
        var golden = try #require(file.read())
        golden.canary += "0"
        try file.write(golden)
        let start = try Start(place)
        #expect(start.state.fault?.reason.contains("canary") == true)
        // Another program may have other bits.
        golden.program = "another"
        try file.write(golden)
        #expect(try Start(place).state.fault == nil)
        #expect(file.read()?.program != "another")
    }

    @Test func aBusyEngineIsLeftAlone() throws {
        let start = try Start(try Place())
        let handles = try (0..<40).map { _ in
            try start.engine.scheduler.submit(
                GenerationRequest(prompt: [1, 2, 3], maxNewTokens: 1000, bannedTokens: [256, 257, 258])
            )
        }
        let end = ContinuousClock.now + .milliseconds(50)
        start.check.watch { .now > end }
        #expect(start.engine.scheduler.snapshot.isBusy)
        #expect(start.state.metrics.render().contains("llm_self_checks_total{result=\"match\"} 1\n"))
        for handle in handles { handle.cancel() }
    }
}
