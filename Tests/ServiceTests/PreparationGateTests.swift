import FastCGI
import Glibc
import Synchronization
import Testing

@testable import Service

@Suite struct PreparationGateTests {
    let gate = PreparationGate()
    private let patience = Patience(start: .seconds(60), answer: .seconds(60))
    let large = [UInt8](repeating: 0, count: PreparationGate.smallBody + 1)

    @Test func smallBodiesNeverWait() throws {
        let sink = Recorder()
        try gate.enter(large, patience, sink: sink)
        let small = [UInt8](repeating: 0, count: PreparationGate.smallBody)
        try gate.enter(small, patience, sink: sink)
        gate.leave(small)
        gate.leave(large)
    }

    @Test func aClientThatLeftGivesUp() throws {
        let sink = Recorder(leavesAfter: 0)
        try gate.enter(large, patience, sink: sink)
        #expect(throws: Interruption.self) { try gate.enter(large, patience, sink: sink) }
        gate.leave(large)
        try gate.enter(large, patience, sink: sink)
        gate.leave(large)
    }

    @Test func largeBodiesEnterOneByOne() throws {
        let inside = Atomic<Int>(0)
        let most = Atomic<Int>(0)
        let ended = Atomic<Int>(0)
        for _ in 0..<8 {
            try PosixThread.start(name: "gate") { [gate, patience, large] in
                for _ in 0..<20 {
                    guard (try? gate.enter(large, patience, sink: Recorder())) != nil else { break }
                    most.max(inside.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
                    usleep(100)
                    inside.subtract(1, ordering: .relaxed)
                    gate.leave(large)
                }
                ended.add(1, ordering: .releasing)
            }
        }
        while ended.load(ordering: .acquiring) < 8 { usleep(1_000) }
        #expect(most.load(ordering: .relaxed) == 1)
    }
}
