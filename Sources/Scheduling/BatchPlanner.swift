/// Divides the rows of one step among the sequences: the same demands give the same plan, whatever was planned before.
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
    /// Rows for each demand of the last plan, in the demands' order (that of admission).
    private(set) var rows: [Int] = []
    private var order: [Int] = []

    /// - Parameter sequences: most demands at once; room for them is taken here, so that planning allocates nothing.
    init(maxRows: Int, prefillChunk: Int, sequences: Int) {
        self.maxRows = maxRows
        self.prefillChunk = prefillChunk
        rows.reserveCapacity(sequences)
        order.reserveCapacity(sequences)
    }

    /// Fills `rows`. All decode rows come first. While there are any, prompts get at most prefillChunk rows together. Labels go
    /// ahead of chats, which keep a quarter. Among the labels, and among the chats, the oldest prompt gets half, so that long ones
    /// end; those with the fewest rows left get the rest, so that short ones need not wait for that.
    mutating func plan(_ demands: [Demand]) {
        rows.removeAll(keepingCapacity: true)
        var left = maxRows
        var wantedByChats = 0
        for demand in demands {
            let isDecoded = demand.kind == .decode && left > 0
            rows.append(isDecoded ? 1 : 0)
            if isDecoded { left -= 1 }
            if demand.kind == .chat { wantedByChats += demand.rows }
        }
        if left < maxRows { left = min(left, prefillChunk) }
        let keptForChats = min(wantedByChats, left / 4)
        left -= give(.label, demands, left - keptForChats)
        _ = give(.chat, demands, left)
    }

    /// Divides the budget among the prompts of one kind; returns what was taken of it.
    private mutating func give(_ kind: Demand.Kind, _ demands: [Demand], _ budget: Int) -> Int {
        order.removeAll(keepingCapacity: true)
        for index in demands.indices where demands[index].kind == kind { order.append(index) }
        guard let oldest = order.first else { return 0 }
        rows[oldest] = min((budget + 1) / 2, demands[oldest].rows)
        var left = budget - rows[oldest]
        // By rows left, of equals the older one first: few enough for insertion, and in place.
        for place in order.indices {
            let index = order[place]
            var hole = place
            while hole > 0, demands[index].rows - rows[index] < demands[order[hole - 1]].rows - rows[order[hole - 1]] {
                order[hole] = order[hole - 1]
                hole -= 1
            }
            order[hole] = index
        }
        for index in order {
            let share = min(left, demands[index].rows - rows[index])
            rows[index] += share
            left -= share
        }
        return budget - left
    }
}
