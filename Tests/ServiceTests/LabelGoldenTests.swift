import FoundationEssentials
import Inference
import Metrics
import ModelFiles
import Roles
import Scheduling
import Testing

/// Labels through the scheduler, many at once, against brute force in transformers (Tests/Reference/golden_labels.py).
@Suite struct LabelGoldenTests {
    private struct Case: Decodable {
        let prompt: Int
        let labels: [[TokenID]]
        let probabilities: [Double]
    }

    private struct Prompts: Decodable { let prompts: [[TokenID]] }

    /// Stands for `<|im_end|>`.
    private static let end: TokenID = 319

    private func read<Value: Decodable>(_ path: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(contentsOf: URL(filePath: "\(packageRoot)/Tests/\(path)")))
    }

    @Test(arguments: ["mha-tied", "gqa-untied"])
    func equalBruteForce(_ name: String) throws {
        let golden: [String: [Case]] = try read("Reference/golden/labels.json")
        let prompts: Prompts = try read("InferenceTests/Golden/\(name)/prompts.json")
        let model = try Model(file: ModelFile.open("\(packageRoot)/Tests/InferenceTests/Golden/\(name)"))
        var options = SchedulerOptions()
        options.threads = 1
        options.maxSequences = 4
        let scheduler = try Scheduler(model: model, options: options, metrics: ServerMetrics(roles: [], build: []))
        try scheduler.start()
        defer { scheduler.stop() }

        let cases = try #require(golden[name])
        #expect(cases.contains { $0.labels.count == 64 } && cases.contains { $0.labels.contains { $0.count > 10 } })
        let handles = try scheduler.submitAll(
            cases.map { item in
                let scorer = try LabelScorer(labels: item.labels, end: Self.end, source: "test")
                return GenerationRequest(
                    prompt: prompts.prompts[item.prompt],
                    maxNewTokens: scorer.maxNewTokens,
                    constraint: scorer
                )
            }
        )
        for (item, handle) in zip(cases, handles) {
            guard case .finished(let result) = handle.next(timeoutMilliseconds: 60_000),
                let scorer = result.constraint as? LabelScorer
            else {
                Issue.record("no label")
                return
            }
            for (value, expected) in zip(scorer.probabilities, item.probabilities) {
                #expect(abs(value - expected) < 1e-4 * max(expected, 1e-2))
            }
            #expect(abs(scorer.probabilities.reduce(0, +) - 1) < 1e-12)
            let best = try #require(item.probabilities.indices.max { item.probabilities[$0] < item.probabilities[$1] })
            #expect(scorer.best == best)
        }
    }
}
