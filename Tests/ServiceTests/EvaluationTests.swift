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

    @Test(arguments: ["", "text\n1\n", "label\ttext_a\n", "label\ttext_a\n2\t好\n", "label\ttext_a\n1\n"])
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
        for verdict in verdicts { evaluation.add(expected: verdict.best, verdict) }
        #expect(evaluation.accuracy == 1)
        evaluation.add(expected: 1 - verdicts[0].best, verdicts[0])
        #expect(evaluation.accuracy == 0.75)
        #expect(evaluation.table.contains("3 of 4"))
    }
}
