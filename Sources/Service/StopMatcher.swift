/// Ends a text before the first of several stop texts, piece by piece. Holds back what may be a stop text's start.
///
/// UTF-8 is self-synchronising: a match of whole stop texts always lies on character boundaries.
package struct StopMatcher: Sendable {
    private let stops: [[UInt8]]
    private var held: [UInt8] = []
    /// A stop text came: nothing follows.
    package private(set) var hasMatched = false

    package init(_ stops: [String]) { self.stops = stops.map { Array($0.utf8) } }

    /// Returns what is certain to stand before any stop text.
    package mutating func append(_ piece: String) -> String {
        guard !hasMatched else { return "" }
        guard !stops.isEmpty else { return piece }
        held += piece.utf8
        for start in held.indices {
            let rest = held[start...]
            if stops.contains(where: { rest.starts(with: $0) }) {
                hasMatched = true
                return release(start)
            }
            if stops.contains(where: { $0.starts(with: rest) }) { return release(start) }
        }
        return release(held.count)
    }

    /// The text ended: what was held back belongs to it.
    package mutating func finish() -> String {
        hasMatched ? "" : release(held.count)
    }

    private mutating func release(_ count: Int) -> String {
        let text = String(decoding: held[..<count], as: UTF8.self)
        held.removeFirst(count)
        return text
    }
}
