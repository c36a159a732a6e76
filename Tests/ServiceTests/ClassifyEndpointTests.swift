import Dispatch
import Glibc
import Metrics
import Roles
import Scheduling
import Synchronization
import Testing

@testable import Service

@Suite(.serialized) struct ClassifyEndpointTests {
    static let shared = Result { try TestEngine() }
    let test: TestEngine
    let service: MainService

    init() throws {
        test = try Self.shared.get()
        service = MainServiceTests.service(test.state)
    }

    private func items(_ body: String, from address: String? = nil) throws -> (answer: JSONValue, items: [JSONValue]) {
        var sink = Recorder()
        var call = post("/v1/classify", body)
        call.clientAddress = address
        service.answer(call, to: &sink)
        let answer = try sink.json
        guard sink.status == 200, case .array(let items) = answer["data"] else {
            throw ServiceError("status \(sink.status ?? 0): \(sink.text)")
        }
        return (answer, items)
    }

    private func numbers(_ value: JSONValue?) -> [Double] {
        guard case .array(let values) = value else { return [] }
        return values.compactMap { if case .number(let number) = $0 { number } else { nil } }
    }

    @Test func labelsThatBeginAlikeAndLongOnes() throws {
        let labels = ["退款", "退款加急", "退", "a b c", String(repeating: "长", count: 21)]
        let list = labels.map { "\"\($0)\"" }.joined(separator: ",")
        let (answer, items) = try items(#"{"labels":[\#(list)],"instruction":"分类","input":["一","二"]}"#)
        #expect(answer["model"] == "ad-hoc" && answer["warning"] == nil)
        for item in items {
            let probs = numbers(item["probs"])
            #expect(probs.count == labels.count)
            #expect(abs(probs.reduce(0, +) - 1) < 1e-12)
            let best = try #require(probs.indices.max { probs[$0] < probs[$1] })
            #expect(item["label"] == .string(labels[best]))
            #expect(item["labels"] == .array(labels.map { .string($0) }))
        }
    }

    @Test func sixtyFourLabelsAndManyTexts() throws {
        let labels = (0..<64).map { "标签\($0)" }
        let list = labels.map { "\"\($0)\"" }.joined(separator: ",")
        let texts = (0..<40).map { "第\($0)段文字" }
        let array = texts.map { "\"\($0)\"" }.joined(separator: ",")
        let (_, together) = try items(#"{"labels":[\#(list)],"instruction":"x","input":[\#(array)]}"#, from: "10.0.0.9")
        #expect(together.count == 40)
        for index in [0, 17, 39] {
            let alone = try items(#"{"labels":[\#(list)],"instruction":"x","input":"\#(texts[index])"}"#).items
            #expect(alone[0]["probs"] == together[index]["probs"])
            #expect(abs(numbers(alone[0]["probs"]).reduce(0, +) - 1) < 1e-9)
        }
    }

    @Test func more256TextsThanTheQueueHolds() throws {
        let texts = (0..<256).map { "文\($0)" }
        #expect(test.engine.scheduler.labelCapacity < 256)
        let array = texts.map { "\"\($0)\"" }.joined(separator: ",")
        let (answer, items) = try items(#"{"model":"sentiment","input":[\#(array)]}"#)
        #expect(items.map { $0["index"] } == (0..<256).map { .integer($0) })
        let alone = try test.engine.classify([texts[255]], role: "sentiment")[0]
        #expect(numbers(items[255]["probs"]) == alone.probabilities.map(\.probability))
        var tokens = 0
        for item in items { if case .integer(let count) = item["tokens"] { tokens += count } }
        #expect(answer["usage"]?["prompt_tokens"] == .integer(tokens))
    }

    @Test func theInstructionIsComputedOnce() throws {
        let instruction = String(repeating: "说明", count: 100)
        let body = #"{"labels":["甲","乙"],"instruction":"\#(instruction)","input":["一","二","三","四","五","六"]}"#
        let (answer, first) = try items(body, from: "10.0.0.1")
        guard case .integer(let cached) = answer["usage"]?["prompt_tokens_details"]?["cached_tokens"] else {
            throw ServiceError("no cached tokens")
        }
        #expect(cached >= 5 * 576)  // whole blocks of 600 tokens
        #expect(cached < 5 * 640)
        let again = try items(body, from: "10.0.0.2")
        #expect(again.items == first)
        #expect(again.answer["usage"] == answer["usage"])  // nothing of another client's
    }

    @Test func abstainsBelowTheMargin() throws {
        for (threshold, expected) in [("1", true), ("0", false)] {
            let body = #"{"labels":["甲","乙"],"instruction":"x","abstain_below":\#(threshold),"input":"一"}"#
            let item = try items(body).items[0]
            #expect(item["abstained"] == .bool(expected))
            #expect(item["label"] != nil)
        }
        #expect(try items(#"{"model":"sentiment","input":"一"}"#).items[0]["abstained"] == false)
    }

    @Test func saysWhichTextWasCut() throws {
        let long = String(repeating: "长", count: 129)
        let items = try items(#"{"model":"sentiment","input":["短","\#(long)"]}"#).items
        #expect(items.map { $0["truncated"] } == [false, true])
    }

    @Test func warnsWhereTheModelWasTrainedForOtherThings() throws {
        let own = try TestEngine(trained: ["sentiment", "chat"])
        var sink = Recorder()
        let body = #"{"labels":["甲","乙"],"instruction":"x","input":"一"}"#
        MainServiceTests.service(own.state).answer(post("/v1/classify", body), to: &sink)
        guard case .string(let warning) = try sink.json["warning"] else { throw ServiceError("no warning") }
        #expect(warning.contains("sentiment, chat") && warning.contains("--model"))
    }

    @Test func aClientThatLeavesAmidTheBatchCostsNothingMore() throws {
        let own = try TestEngine()
        var sink = Recorder()
        sink.leavesAfter = 0
        let array = (0..<64).map { "\"\(String(repeating: "长\($0)", count: 40))\"" }.joined(separator: ",")
        MainServiceTests.service(own.state).answer(
            post("/v1/classify", #"{"model":"sentiment","input":[\#(array)]}"#),
            to: &sink
        )
        #expect(own.metrics.requestCounters["sentiment"]?[.cancelled]?.value == 1)
        let end = ContinuousClock.now + .seconds(5)
        while own.engine.scheduler.snapshot.isBusy, .now < end { usleep(2_000) }
        #expect(own.engine.scheduler.snapshot.kvBlocksUsed == 0)
    }

    @Test func waitsWhileOthersFillTheQueue() throws {
        let own = try TestEngine(queueLimit: 2, maxSequences: 2, labelSequences: 0)
        let service = MainServiceTests.service(own.state)
        let texts = (0..<24).map { "\"文\($0)\"" }.joined(separator: ",")
        let statuses = Mutex<[Int?]>([])
        DispatchQueue.concurrentPerform(iterations: 3) { _ in
            var sink = Recorder()
            service.answer(post("/v1/classify", #"{"model":"sentiment","input":[\#(texts)]}"#), to: &sink)
            statuses.withLock { $0.append(sink.status) }
        }
        let outcome = statuses.withLock { $0 }
        #expect(outcome.contains(200))
        #expect(outcome.allSatisfy { $0 == 200 || $0 == 429 })
    }
}
