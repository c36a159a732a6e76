import Testing

@testable import Scheduling

@Suite struct BatchPlannerTests {
    private func plan(_ demands: [(BatchPlanner.Demand.Kind, Int)]) -> [Int] {
        var planner = BatchPlanner(maxRows: 128, prefillChunk: 64, sequences: 4)
        planner.plan(demands.map { .init(kind: $0.0, rows: $0.1) })
        return planner.rows
    }

    @Test func fillsTheBatchWhileNoneDecodes() {
        #expect(plan([(.chat, 300)]) == [128])
        #expect(plan([(.label, 30), (.label, 30)]) == [30, 30])
    }

    @Test func keepsPromptsToOneChunkWhileOneDecodes() {
        #expect(plan([(.chat, 300), (.decode, 1)]) == [64, 1])
        #expect(plan([(.decode, 1), (.label, 40), (.label, 40), (.decode, 1)]) == [1, 40, 24, 1])
    }

    @Test func labelsGoAheadButLeaveChatsAQuarter() {
        #expect(plan([(.chat, 300), (.decode, 1), (.label, 100)]) == [16, 1, 48])
        #expect(plan([(.chat, 300), (.decode, 1), (.label, 20)]) == [44, 1, 20])
        #expect(plan([(.chat, 5), (.decode, 1), (.label, 100)]) == [5, 1, 59])
    }

    @Test func olderPromptsGoFirst() {
        #expect(plan([(.chat, 100), (.chat, 100)]) == [100, 28])
    }

    @Test func shortPromptsNeedNotWaitForAnOlderLongOne() {
        #expect(plan([(.chat, 300), (.chat, 35), (.decode, 1)]) == [32, 32, 1])
        #expect(plan([(.chat, 300), (.chat, 50), (.chat, 20), (.decode, 1)]) == [32, 12, 20, 1])
        #expect(plan([(.label, 100), (.label, 20)]) == [100, 20])
        // Whatever comes, the oldest gets half.
        #expect(plan([(.chat, 300), (.decode, 1)] + Array(repeating: (.chat, 5), count: 14))[0] == 32)
    }

    @Test func nothingWantedNothingPlanned() {
        #expect(plan([]) == [])
    }

    @Test func neverExceedsBoundsAndAlwaysAdvances() {
        for _ in 0..<2000 {
            var planner = BatchPlanner(
                maxRows: Int.random(in: 16...40),
                prefillChunk: Int.random(in: 1...64),
                sequences: 16
            )
            let demands = (0..<Int.random(in: 1...16)).map { _ -> BatchPlanner.Demand in
                let kind: BatchPlanner.Demand.Kind = [.decode, .label, .chat].randomElement() ?? .chat
                return .init(kind: kind, rows: kind == .decode ? 1 : Int.random(in: 1...50))
            }
            planner.plan(demands)
            let rows = planner.rows
            #expect(rows.reduce(0, +) <= planner.maxRows)
            #expect(rows.contains { $0 > 0 })
            for (demand, count) in zip(demands, rows) {
                #expect((0...demand.rows).contains(count))
                if demand.kind == .decode { #expect(count == 1) }
            }
        }
    }
}
