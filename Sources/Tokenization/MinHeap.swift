/// A heap of integers, smallest first, with four children a node: fewer cache misses than two.
struct MinHeap {
    private static let arity = 4
    private var items: [UInt64] = []

    /// Replaces the content; O(n).
    mutating func assign(_ values: some Sequence<UInt64>) {
        items.removeAll(keepingCapacity: true)
        items.append(contentsOf: values)
        for i in stride(from: items.count / Self.arity, through: 0, by: -1) where i < items.count { siftDown(from: i) }
    }

    mutating func push(_ value: UInt64) {
        items.append(value)
        var child = items.count - 1
        while child > 0 {
            let parent = (child - 1) / Self.arity
            guard value < items[parent] else { break }
            items[child] = items[parent]
            child = parent
        }
        items[child] = value
    }

    mutating func popMin() -> UInt64? {
        guard let smallest = items.first, let last = items.popLast() else { return nil }
        if !items.isEmpty {
            items[0] = last
            siftDown(from: 0)
        }
        return smallest
    }

    private mutating func siftDown(from start: Int) {
        let value = items[start]
        var parent = start
        while true {
            let firstChild = Self.arity * parent + 1
            guard firstChild < items.count else { break }
            var child = firstChild
            for other in firstChild + 1..<min(firstChild + Self.arity, items.count) where items[other] < items[child] {
                child = other
            }
            guard items[child] < value else { break }
            items[parent] = items[child]
            parent = child
        }
        items[parent] = value
    }
}
