/// Looks for any of many phrases in a `MatchText` in one pass. A phrase is literal text with `*` between parts of it for
/// up to `maxGap` symbols of one line.
///
/// A nondeterministic automaton with a state for each literal symbol of each phrase, driven by the text: a symbol visits
/// only the states that wait for that very symbol, each in constant time, and nothing is ever tried again. So a text
/// costs at most `maxStepsPerSymbol` steps a symbol, which is at most the phrases' total length, whatever the text is.
/// Memory for a search: a few integers a state, independent of the text.
struct PhraseMatcher: Sendable, Equatable {
    static let maxGap = 8

    private struct State: Sendable, Equatable {
        enum Before: Sendable, Equatable { case start, symbol, gap }
        /// What stands before this symbol in its phrase.
        var before: Before
        /// The phrase ends here.
        var isLast: Bool
    }

    /// Every phrase's symbols, one phrase after the other.
    private var states: [State] = []
    /// The states that wait for a symbol, last ones first: a state must see its predecessor before it moves on.
    private var waiting: [UInt32: [Int32]] = [:]

    /// The most steps that one symbol of a text takes.
    var maxStepsPerSymbol: Int { waiting.values.reduce(0) { max($0, $1.count) } }

    /// The phrase in normal form; nil if it holds no letter or digit, or a `*` that does not stand between two.
    static func normalized(_ phrase: String) -> String? {
        let parts = phrase.split(separator: "*", omittingEmptySubsequences: false).map {
            MatchText(String($0)).symbols.map(\.value)
        }
        guard parts.allSatisfy({ !$0.isEmpty }) else { return nil }
        return parts.map { values in
            String(String.UnicodeScalarView(values.compactMap(Unicode.Scalar.init)))
        }.joined(separator: "*")
    }

    /// Phrases without a normal form are never found.
    init(_ phrases: [String]) {
        for phrase in phrases.compactMap(Self.normalized) {
            var before = State.Before.start
            for scalar in phrase.unicodeScalars {
                if scalar == "*" {
                    before = .gap
                    continue
                }
                waiting[scalar.value, default: []].append(Int32(states.count))
                states.append(State(before: before, isLast: false))
                before = .symbol
            }
            if !states.isEmpty { states[states.count - 1].isLast = true }
        }
        waiting = waiting.mapValues { $0.reversed() }
    }

    func isFound(in text: MatchText) -> Bool {
        var found = false
        scan(text, withinRuns: false) { _ in
            found = true
            return false
        }
        return found
    }

    /// Which symbols belong to an occurrence that lies within one run. (text.symbols.count)
    func covered(in text: MatchText) -> [Bool] {
        var change = [Int](repeating: 0, count: text.symbols.count + 1)
        scan(text, withinRuns: true) { match in
            change[match.lowerBound] += 1
            change[match.upperBound + 1] -= 1
            return true
        }
        var depth = 0
        return change.dropLast().map { step in
            depth += step
            return depth > 0
        }
    }

    /// Reports where phrases occur, by their end and in no order at one end, until `onMatch` returns false; of several
    /// occurrences of one phrase that end at the same place the shortest.
    ///
    /// - Parameter withinRuns: leave out what reaches from one run into the next.
    /// - Returns: the steps taken, at most `text.symbols.count * maxStepsPerSymbol`.
    @discardableResult
    func scan(_ text: MatchText, withinRuns: Bool, onMatch: (ClosedRange<Int>) -> Bool) -> Int {
        // Where each state was reached last, and where that occurrence began; -1: not yet.
        var reached = [Int32](repeating: -1, count: states.count)
        var began = [Int32](repeating: -1, count: states.count)
        var steps = 0
        for (index, symbol) in zip(Int32(0)..., text.symbols) {
            for state in waiting[symbol.value] ?? [] {
                let state = Int(state)
                steps += 1
                let earliest: Int32?  // that the symbol before may have been found at
                switch states[state].before {
                case .start: earliest = nil
                case .symbol: earliest = max(index - 1, withinRuns ? symbol.runStart : 0)
                case .gap:
                    let floor = withinRuns ? symbol.runStart : symbol.lineStart
                    earliest = max(index - 1 - Int32(Self.maxGap), floor)
                }
                if let earliest, reached[state - 1] < earliest { continue }
                began[state] = earliest == nil ? index : began[state - 1]
                reached[state] = index
                guard states[state].isLast, !symbol.isInsideWord else { continue }
                if !onMatch(Int(began[state])...Int(index)) { return steps }
            }
        }
        return steps
    }
}
