import Testing

@testable import Service

@Suite struct StopMatcherTests {
    /// Feeds a text in pieces of so many characters; returns what came out and whether a stop matched.
    func run(_ text: String, _ stops: [String], pieces: Int) -> (text: String, matched: Bool) {
        var matcher = StopMatcher(stops)
        var output = ""
        var rest = Array(text)[...]
        while !rest.isEmpty {
            output += matcher.append(String(rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
        }
        return (output + matcher.finish(), matcher.hasMatched)
    }

    @Test(arguments: [1, 2, 3, 100])
    func endsBeforeTheFirstStop(pieces: Int) {
        #expect(run("你好。再见。", ["再见"], pieces: pieces) == ("你好。", true))
        #expect(run("aab", ["ab"], pieces: pieces) == ("a", true))
        #expect(run("xENDy", ["END", "ND"], pieces: pieces) == ("x", true))
        #expect(run("aXbYc", ["Y", "X"], pieces: pieces) == ("a", true))
        #expect(run("stop", ["stop"], pieces: pieces) == ("", true))
    }

    @Test(arguments: [1, 2, 3, 100])
    func keepsTextWithoutAStop(pieces: Int) {
        #expect(run("正面评价", ["面试"], pieces: pieces) == ("正面评价", false))
        #expect(run("abcab", ["abd"], pieces: pieces) == ("abcab", false))
        #expect(run("anything", [], pieces: pieces) == ("anything", false))
    }

    @Test func holdsBackOnlyWhatMayBecomeAStop() {
        var matcher = StopMatcher(["END"])
        #expect(matcher.append("one E") == "one ")
        #expect(matcher.append("x") == "Ex")
        #expect(matcher.append("EN") == "")
        #expect(matcher.finish() == "EN")
    }
}
