import Testing

@testable import Scheduling

@Suite struct QueueLanesTests {
    @Test func servesEachLaneInOrder() {
        var lanes = QueueLanes<Int>(capacity: 8)
        for number in 1...3 { lanes.append(number, to: .chat) }
        #expect((0..<4).map { _ in lanes.next { _ in true } } == [1, 2, 3, nil])
    }

    @Test func labelsGoAheadWithinABound() {
        var lanes = QueueLanes<String>(capacity: 16, labelsPerChat: 4)
        lanes.append("c1", to: .chat)
        lanes.append("c2", to: .chat)
        for number in 1...10 { lanes.append("l\(number)", to: .label) }
        let order = (0..<12).compactMap { _ in lanes.next { _ in true } }
        #expect(order == ["l1", "l2", "l3", "l4", "c1", "l5", "l6", "l7", "l8", "c2", "l9", "l10"])
    }

    @Test func labelsTakeWhatIsKeptForThemWhoeversTurnItIs() {
        var lanes = QueueLanes<String>(capacity: 16, labelsPerChat: 1)
        lanes.append("big", to: .chat)
        for number in 1...3 { lanes.append("l\(number)", to: .label) }
        #expect(lanes.count(in: .label) == 3 && lanes.count(in: .chat) == 1)
        #expect(lanes.nextLabel { _ in true } == "l1")
        #expect(lanes.next { $0 != "big" } == "l2")
        #expect(lanes.next { $0 != "big" } == nil)
        #expect(lanes.nextLabel { _ in false } == nil)
        #expect(lanes.nextLabel { _ in true } == "l3")
        #expect(lanes.next { _ in true } == "big")
    }

    @Test func labelsBeforeAChatArrivedDoNotCount() {
        var lanes = QueueLanes<String>(capacity: 16, labelsPerChat: 2)
        for number in 1...5 { lanes.append("l\(number)", to: .label) }
        for _ in 0..<3 { _ = lanes.next { _ in true } }
        lanes.append("c", to: .chat)
        #expect((0..<3).map { _ in lanes.next { _ in true } } == ["l4", "l5", "c"])
    }

    @Test func noneOvertakesAChatWhoseTurnItIs() {
        var lanes = QueueLanes<String>(capacity: 16, labelsPerChat: 1)
        lanes.append("big", to: .chat)
        lanes.append("l1", to: .label)
        lanes.append("l2", to: .label)
        #expect(lanes.next { $0 != "big" } == "l1")
        #expect(lanes.next { $0 != "big" } == nil)
        #expect(lanes.count == 2)
        #expect(lanes.next { _ in true } == "big")
    }

    /// Each element matches from the second time that it is asked about, as a request cancelled in between does.
    @Test func losesNothingThatBeginsToMatchMeanwhile() {
        var lanes = QueueLanes<Int>(capacity: 8)
        for number in 1...4 { lanes.append(number, to: number % 2 == 0 ? .label : .chat) }
        var asked: Set<Int> = []
        let removed = lanes.remove { $0 < 3 || !asked.insert($0).inserted }
        #expect(removed.count + lanes.count == 4)
        #expect(removed.contains(1) && removed.contains(2))
    }

    @Test func removesWhatMatches() {
        var lanes = QueueLanes<Int>(capacity: 8)
        for number in 1...3 { lanes.append(number, to: .chat) }
        lanes.append(4, to: .label)
        #expect(lanes.remove { $0 % 2 == 0 }.sorted() == [2, 4])
        #expect(lanes.count == 2)
        #expect(lanes.next { _ in true } == 1)
    }
}
