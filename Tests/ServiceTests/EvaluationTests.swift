import Testing

@testable import Service

@Suite struct EvaluationTests {
    let labels = ["正面", "负面"]

    @Test func readsLabelsAsNumbersOrNames() throws {
        let examples = try LabelledExamples(
            content: "label\ttext_a\n1\t好\n0\t差\r\n负面\t糟\n",
            source: "x",
            labels: labels,
            limit: .max
        )
        #expect(examples.texts == ["好", "差", "糟"])
        #expect(examples.expected == [0, 1, 1])
    }

    @Test func stopsAtTheLimit() throws {
        let content = "label\ttext_a\n1\t好\n0\t差\n"
        #expect(try LabelledExamples(content: content, source: "x", labels: labels, limit: 1).texts == ["好"])
    }

    @Test func needsNoHeader() throws {
        let content = "\u{FEFF}1\t好\tx\n负面\t差\u{2028}了\n"
        let examples = try LabelledExamples(content: content, source: "x", labels: labels, limit: .max)
        #expect(examples.texts == ["好\tx", "差\u{2028}了"])
        #expect(examples.expected == [0, 1])
    }

    @Test(arguments: ["", "text\n1\n", "label\ttext_a\n", "label\ttext_a\n2\t好\n", "label\ttext_a\n1\n", "1\t \n"])
    func saysWhatIsWrong(content: String) throws {
        let error = try #require(throws: ServiceError.self) {
            try LabelledExamples(content: content, source: "x.tsv", labels: labels, limit: .max)
        }
        #expect(error.description.hasPrefix("x.tsv"))
        #expect(!error.description.contains("\n"))
    }

    @Test func agreesWithTheEngine() throws {
        let engine = try MainServiceTests.shared.get().engine
        let texts = ["好", "差", "一般"]
        let verdicts = try engine.classify(texts, role: "sentiment")
        var evaluation = Evaluation(labels: labels)
        for verdict in verdicts { evaluation.add(expected: verdict.best, verdict, latency: .milliseconds(2)) }
        #expect(evaluation.accuracy == 1)
        evaluation.add(expected: 1 - verdicts[0].best, verdicts[0], latency: .milliseconds(7))
        #expect(evaluation.accuracy == 0.75)
        #expect(evaluation.table.contains("3 of 4"))
        #expect(evaluation.table.contains("latency p50 2.0 ms, p95 7.0 ms, max 7.0 ms"))
        #expect(evaluation.progress(of: 9) == "4 of 9, accuracy 75.0%")
    }
}
