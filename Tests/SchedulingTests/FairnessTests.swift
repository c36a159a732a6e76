import Inference
import Testing

@testable import Scheduling

/// Prompts, replies and labels that share the batch: how many steps each waits for the others.
@Suite struct FairnessTests {
    private func makeBench() -> Bench {
        Bench {
            $0.maxSequences = 4
            $0.labelSequences = 2
            $0.queueLimit = 32
            $0.kvBlocks = 400
        }
    }

    /// Submits until so many are outstanding.
    private func fill(_ jobs: inout [Job], to count: Int, _ bench: Bench, _ request: (UInt64) -> GenerationRequest)
        throws
    {
        jobs.removeAll { $0.outcome.ending != nil }
        while jobs.count < count {
            jobs.append(try bench.submit(request(UInt64.random(in: 0...UInt64.max / 2000))))
        }
    }

    @Test func aRunningReplyWaitsForOneChunkOfPromptsWhateverComes() throws {
        let bench = makeBench()
        let streams = try (0..<2).map { try bench.submit(reply(prompt(4, seed: $0), 60)) }
        bench.engine.step()
        for stream in streams { #expect(stream.outcome.tokens.count == 1) }
        var (chats, labels): ([Job], [Job]) = ([], [])
        for step in 0..<59 {
            try fill(&chats, to: 6, bench) { reply(prompt(500, seed: $0), 3) }
            try fill(&labels, to: 6, bench) { label(prompt(90, seed: $0)) }
            bench.engine.step()
            for stream in streams { #expect(stream.outcome.tokens.count == 1, "step \(step)") }
            let rows = try #require(bench.executor.batches.last)
            let prompts = rows.filter { row in
                rows.contains { $0.sequence == row.sequence && $0.position != row.position }
            }
            #expect(prompts.count <= 64 && rows.count <= 64 + 4)
        }
        #expect(streams.allSatisfy { $0.outcome.reason == .length })
    }

    @Test func aShortPromptNeedsNotWaitForLongOnes() throws {
        let bench = makeBench()
        let long = try (0..<2).map { try bench.submit(reply(prompt(2000, seed: $0), 2)) }
        bench.engine.step()
        let short = try bench.submit(reply(prompt(40, seed: 7), 20))
        bench.engine.step()
        #expect(short.outcome.tokens.count == 1)
        bench.runAll()
        #expect(long.allSatisfy { $0.outcome.reason == .length })
    }

    /// The oldest prompt goes on by half of each chunk.
    @Test func shortRepliesThatKeepComingDoNotHoldALongPromptUp() throws {
        let bench = makeBench()
        let long = try bench.submit(reply(prompt(640, seed: 1), 1))
        var chats: [Job] = []
        var steps = 0
        while long.outcome.ending == nil, steps < 100 {
            try fill(&chats, to: 10, bench) { reply(prompt(30, seed: $0), 4) }
            bench.engine.step()
            steps += 1
        }
        #expect(steps <= 640 / 32)
    }

    @Test func labelsThatKeepComingLeaveAReplyItsQuarter() throws {
        let bench = makeBench()
        var labels: [Job] = []
        try fill(&labels, to: 12, bench) { label(prompt(90, seed: $0)) }
        bench.engine.step()
        let chat = try bench.submit(reply(prompt(320, seed: 1), 5))
        var steps = 0
        while chat.outcome.ending == nil, steps < 100 {
            try fill(&labels, to: 12, bench) { label(prompt(90, seed: $0)) }
            bench.engine.step()
            steps += 1
        }
        // Four labels go first, then a quarter of 128 rows a step, then a token a step.
        #expect((10 + 5...10 + 5 + 5).contains(steps), "\(steps)")
    }

    @Test func repliesThatKeepComingDoNotHoldLabelsUp() throws {
        let bench = makeBench()
        var chats: [Job] = []
        for round in 0..<40 {
            try fill(&chats, to: 20, bench) { reply(prompt(300, seed: $0), 40) }
            bench.engine.step()
            let label = try bench.submit(label(prompt(70, seed: UInt64(round))))
            var steps = 0
            while label.outcome.ending == nil, steps < 100 {
                bench.engine.step()
                steps += 1
            }
            // A slot is kept for it, and three quarters of each chunk: 48 rows.
            #expect(steps <= 2, "\(steps)")
        }
        #expect(chats.contains { $0.outcome.ending == nil })
    }
}
