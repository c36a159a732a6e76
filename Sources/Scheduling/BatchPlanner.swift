/// Divides the rows of one step among the sequences. Pure: the same demands give the same plan.
struct BatchPlanner {
    /// What a sequence wants: rows not yet computed, at least one.
    struct Demand {
        enum Kind {
            /// A reply past its prompt: one row.
            case decode
            /// A label's prompt, or what its constraint feeds.
            case label
            /// A reply's prompt.
            case chat
        }
        var kind: Kind
        var rows: Int
    }

    let maxRows: Int
    let prefillChunk: Int

    /// Rows for each demand, in the demands' order (that of admission). All decode rows come first. While there are any,
    /// prompts get at most prefillChunk rows together. Labels go ahead of chats, which keep a quarter. Among the labels, and
    /// among the chats, the oldest prompt gets half, so that long ones end; those with the fewest rows left get the rest, so
    /// that short ones need not wait for that.
    func plan(_ demands: [Demand]) -> [Int] {
        var rows = Array(repeating: 0, count: demands.count)
        var left = maxRows
        var decoding = false
        for (index, demand) in demands.enumerated() where demand.kind == .decode && left > 0 {
            rows[index] = 1
            left -= 1
            decoding = true
        }
        if decoding { left = min(left, prefillChunk) }

        let wantedByChats = demands.reduce(0) { $0 + ($1.kind == .chat ? $1.rows : 0) }
        let keptForChats = min(wantedByChats, left / 4)
        func give(_ kind: Demand.Kind, _ budget: Int) {
            var budget = budget
            func give(_ index: Int, atMost limit: Int) {
                let share = min(limit, budget, demands[index].rows - rows[index])
                rows[index] += share
                budget -= share
                left -= share
            }
            let waiting = demands.indices.filter { demands[$0].kind == kind }
            if let oldest = waiting.first { give(oldest, atMost: (budget + 1) / 2) }
            let byRowsLeft = waiting.map { (left: demands[$0].rows - rows[$0], index: $0) }.sorted(by: <)
            for (_, index) in byRowsLeft { give(index, atMost: budget) }
        }
        give(.label, left - keptForChats)
        give(.chat, left)
        return rows
    }
}
