/// A priority queue of integers, smallest first: the first ones sorted, later ones in a heap with four children a node.
/// Most of a text's pairs are there at the start, and walking a sorted array costs far fewer cache misses than a heap.
struct MergeQueue {
    private static let arity = 4
    private var sorted: [UInt64] = []
    /// Where `sorted` goes on.
    private var position = 0
    private var heap: [UInt64] = []

    /// Replaces the content.
    mutating func assign(_ values: [UInt64]) {
        sorted = values.sorted()
        position = 0
        heap.removeAll(keepingCapacity: true)
    }

    mutating func push(_ value: UInt64) {
        heap.append(value)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / Self.arity
            guard value < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = value
    }

    mutating func popMin() -> UInt64? {
        if position < sorted.count, sorted[position] < heap.first ?? .max {
            position += 1
            return sorted[position - 1]
        }
        guard let smallest = heap.first, let last = heap.popLast() else { return nil }
        if !heap.isEmpty {
            heap[0] = last
            siftDown(from: 0)
        }
        return smallest
    }

    private mutating func siftDown(from start: Int) {
        let value = heap[start]
        var parent = start
        while true {
            let firstChild = Self.arity * parent + 1
            guard firstChild < heap.count else { break }
            var child = firstChild
            for other in firstChild + 1..<min(firstChild + Self.arity, heap.count) where heap[other] < heap[child] {
                child = other
            }
            guard heap[child] < value else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = value
    }
}
