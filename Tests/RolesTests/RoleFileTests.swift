import Testing

@testable import Roles

@Suite struct RoleFileTests {
    static let good = """
        name: mood
        system: |
          Judge.

        input: { max_characters: 128, overflow: truncate }
        output: { labels: [good, bad] }
        """

    @Test func readsAFile() throws {
        let role = try RoleFile.parse(file: "mood.yaml", name: "mood", text: Self.good).role
        #expect(role.system == "Judge.")
        #expect(role.output == .labels(["good", "bad"], maxTokens: 12))
        #expect(role.abstainBelow == nil)
    }

    @Test(arguments: [("0", 0.0), ("0.25", 0.25), ("1", 1), ("1e-2", 0.01)])
    func readsTheMarginToAbstainBelow(_ text: String, _ value: Double) throws {
        let text = Self.good.split(separator: "[good, bad]").joined(separator: "[good, bad], abstain_below: \(text)")
        #expect(try RoleFile.parse(file: "mood.yaml", name: "mood", text: text).role.abstainBelow == value)
    }

    @Test func keepsTheNameOfLabelsInARequest() {
        let text = Self.good.split(separator: "mood", omittingEmptySubsequences: false).joined(separator: "ad-hoc")
        let error = #expect(throws: RoleError.self) {
            try RoleFile.parse(file: "ad-hoc.yaml", name: "ad-hoc", text: text)
        }
        #expect(error?.description.hasPrefix("ad-hoc.yaml:1: 'name' must not be 'ad-hoc'") == true)
    }

    /// Each case changes one line of the good file and says what the error has to name.
    @Test(arguments: [
        ("name: mood", "name: other", "mood.yaml:1: 'name' must be 'mood', as the file is named"),
        ("name: mood", "name: 12", "mood.yaml:1: 'name' must be text; write it in quotes"),
        ("name: mood\n", "", "mood.yaml:1: 'name' is missing"),
        ("name: mood", "name: mood\nname: mood", "mood.yaml:1: key given twice: name"),
        (
            "name: mood", "name: mood\ncolour: red",
            "mood.yaml:2: unknown key 'colour' in the file; allowed: name, system,"
        ),
        ("name: mood", "name: mood\n[a]: red", "mood.yaml:2: unknown key of this kind"),
        ("name: mood", "name: [mood", "mood.yaml:2: not valid YAML"),
        ("  Judge.", "  ", "'system' must not be empty"),
        ("128", "0", "mood.yaml:5: 'input.max_characters' must be a whole number from 1 to 32768"),
        ("128", "32769", "'input.max_characters' must be a whole number"),
        ("128", "99999999999999999999", "'input.max_characters' must be a whole number"),
        ("128", "\"128\"", "'input.max_characters' must be a whole number"),
        ("128", "1.5", "'input.max_characters' must be a whole number"),
        ("overflow: truncate", "overflow: drop", "mood.yaml:5: 'input.overflow' must be truncate or reject"),
        (", overflow: truncate", "", "mood.yaml:5: 'input.overflow' is missing"),
        (
            "{ max_characters: 128, overflow: truncate }", "128",
            "mood.yaml:5: 'input' must be a mapping of max_characters"
        ),
        (
            "overflow:", "size: 1, overflow:",
            "mood.yaml:5: unknown key 'size' in 'input'; allowed: max_characters, overflow"
        ),
        ("labels: [good, bad]", "", "'output.labels' or 'output.max_characters': give one of the two"),
        ("[good, bad]", "[good, bad], max_characters: 9", "give one of the two"),
        (
            "labels: [good, bad]", "max_characters: 4097",
            "'output.max_characters' must be a whole number from 1 to 4096"
        ),
        (
            "labels: [good, bad]", "max_characters: 9, max_tokens: 9",
            "'output.max_tokens' goes with 'output.labels' only"
        ),
        ("[good, bad]", "[good, bad], max_tokens: 65", "'output.max_tokens' must be a whole number from 1 to 64"),
        (
            "[good, bad]", "[good, bad], abstain_below: 1.1",
            "mood.yaml:6: 'output.abstain_below' must be a number from 0.0 to 1.0"
        ),
        ("[good, bad]", "[good, bad], abstain_below: much", "'output.abstain_below' must be a number"),
        ("[good, bad]", "[good, bad], abstain_below: .nan", "'output.abstain_below' must be a number"),
        ("[good, bad]", "[good, bad], abstain_below: -0.1", "'output.abstain_below' must be a number"),
        ("labels: [good, bad]", "max_characters: 9, abstain_below: 0", "goes with 'output.labels' only"),
        ("[good, bad]", "good", "mood.yaml:6: 'output.labels' must be a list of texts"),
        ("[good, bad]", "[good]", "'output.labels' must be 2 to 64 texts; there are 1"),
        ("[good, bad]", "[good, good]", "'output.labels' has 'good' twice"),
        ("[good, bad]", "[good, \"\"]", "'output.labels' has ''; a label is 1 to 64 characters"),
        ("[good, bad]", "[good, \" bad\"]", "'output.labels' has ' bad'"),
        ("[good, bad]", "[good, \"b\\nad\"]", "a label is 1 to 64 characters on one line"),
        ("[good, bad]", "[yes, no]", "'output.labels' must be a list of texts; write each in quotes"),
        ("[good, bad] }", "[good, bad] }\nannotate: [mood]", "mood.yaml:7: 'annotate' goes with roles that reply"),
    ])
    func namesWhatIsWrong(_ change: (from: String, to: String, error: String)) throws {
        #expect(Self.good.contains(change.from))
        let parts = Self.good.split(separator: change.from, maxSplits: 1, omittingEmptySubsequences: false)
        let text = parts.joined(separator: change.to)
        let error = #expect(throws: RoleError.self) {
            try RoleFile.parse(file: "mood.yaml", name: "mood", text: text)
        }
        let description = error?.description ?? ""
        #expect(description.contains(change.error), "\(description)")
        #expect(!description.contains("\n"))
    }

    @Test(arguments: [
        "", "# nothing", "- a", "just text", "a: 1\n---\nb: 2", "*x", "\u{0}", "{a: [[[[", "\t- x", "? {}",
    ])
    func refusesWhatIsNoRole(_ text: String) {
        #expect(throws: RoleError.self) { try RoleFile.parse(file: "a.yaml", name: "a", text: text) }
    }

    @Test func refusesDeepNesting() {
        let text = String(repeating: "[", count: 60_000)
        #expect(throws: RoleError.self) { try RoleFile.parse(file: "a.yaml", name: "a", text: text) }
    }

    @Test func limitsLabels() throws {
        let list = (0...64).map { "l\($0)" }.joined(separator: ", ")
        let text = Self.good.split(separator: "good, bad").joined(separator: list)
        let error = #expect(throws: RoleError.self) { try RoleFile.parse(file: "a.yaml", name: "mood", text: text) }
        #expect(error?.message.contains("there are 65") == true)
    }

    @Test func limitsAnnotations() throws {
        let chat = "name: a\nsystem: x\ninput: {max_characters: 1, overflow: reject}\noutput: {max_characters: 1}\n"
        #expect(
            try RoleFile.parse(file: "a.yaml", name: "a", text: chat + "annotate: [b, c]").role.annotate == ["b", "c"]
        )
        for bad in ["annotate: [b, b]", "annotate: [b, c, d, e, f]", "annotate: b", "annotate: [1]", "annotate:"] {
            #expect(throws: RoleError.self) { try RoleFile.parse(file: "a.yaml", name: "a", text: chat + bad) }
        }
    }

    @Test func knowsGoodNames() {
        for name in ["a", "safety_2", "x-y", String(repeating: "z", count: 32)] { #expect(RoleFile.isValidName(name)) }
        for name in ["", "A", "é", "a b", "a.b", "情感", String(repeating: "z", count: 33)] {
            #expect(!RoleFile.isValidName(name))
        }
    }

    /// Twelve lines that stand for 9^11 nodes; as a key they would be hashed and compared one by one.
    @Test(arguments: ["?", "input:"])
    func aliasesThatMultiplyAreRefused(place: String) throws {
        var text = "x0: &x0 [a]\n"
        for level in 1...11 {
            let aliases = Array(repeating: "*x\(level - 1)", count: 9).joined(separator: ", ")
            text += "x\(level): &x\(level) [\(aliases)]\n"
        }
        #expect(throws: RoleError.self) {
            try RoleFile.parse(file: "a.yaml", name: "a", text: text + "\(place) *x11\n")
        }
    }
}
