import Inference
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct EngineTests {
    @Test func repliesAsALoneDecoderWould() throws {
        let bench = Bench()
        let prompt = prompt(45, seed: 1)
        let job = try bench.submit(reply(prompt, 40))
        bench.runAll()
        let outcome = job.outcome
        #expect(outcome.tokens == Toy.continuation(of: prompt, count: 40))
        let result = try #require(outcome.result)
        #expect(result.reason == .length)
        #expect(result.promptTokens == 45 && result.generatedTokens == 40 && result.cachedTokens == 0)
    }

    @Test func companyChangesNothing() throws {
        let bench = Bench {
            $0.maxSequences = 16
            $0.kvBlocks = 400
        }
        let prompts = (0..<16).map { prompt(3 + 17 * $0, seed: UInt64($0)) }
        let jobs = try prompts.map { try bench.submit(reply($0, 30)) }
        bench.runAll()
        for (prompt, job) in zip(prompts, jobs) {
            #expect(job.outcome.tokens == Toy.continuation(of: prompt, count: 30))
        }
        #expect(bench.executor.batches.contains { Set($0.map(\.sequence)).count > 8 })
    }

    @Test(arguments: [1, 7, 64, 200])
    func chunkSizeChangesNothing(chunk: Int) throws {
        let bench = Bench {
            $0.prefillChunk = chunk
            $0.maxBatchRows = max(4, chunk)
        }
        let first = try bench.submit(reply(prompt(2, seed: 5), 30))
        bench.engine.step()
        let second = try bench.submit(reply(prompt(150, seed: 6), 10))
        bench.runAll()
        #expect(first.outcome.tokens == Toy.continuation(of: prompt(2, seed: 5), count: 30))
        #expect(second.outcome.tokens == Toy.continuation(of: prompt(150, seed: 6), count: 10))
    }

    @Test func aDecodingReplyAdvancesInEveryStepOfAnothersPrefill() throws {
        let bench = Bench()
        let streaming = try bench.submit(reply(prompt(4, seed: 1), 50))
        bench.engine.step()
        _ = streaming.outcome
        _ = try bench.submit(reply(prompt(300, seed: 2), 1))
        for _ in 0..<5 {
            bench.engine.step()
            #expect(streaming.outcome.tokens.count == 1)
            #expect(bench.executor.batches.last.map { $0.count <= 65 } == true)
        }
    }

    @Test func stopTokenEndsAndIsNotEmitted() throws {
        let bench = Bench()
        let prompt = prompt(10, seed: 3)
        let all = Toy.continuation(of: prompt, count: 20)
        let stop = all[7]
        var request = reply(prompt, 20)
        request.stopTokens = [stop]
        request.bannedTokens = [stop]
        let job = try bench.submit(request)
        bench.runAll()
        let outcome = job.outcome
        #expect(outcome.tokens == Toy.continuation(of: prompt, count: 20, stop: [stop]))
        #expect(outcome.tokens.count < 8)
        #expect(outcome.reason == .stop)
    }

    @Test func bannedTokensNeverCome() throws {
        let bench = Bench()
        var request = reply(prompt(10, seed: 3), 60)
        request.bannedFrom = 40
        request.bannedTokens = Array(0..<20)
        let job = try bench.submit(request)
        bench.runAll()
        let tokens = job.outcome.tokens
        #expect(tokens.count == 60)
        #expect(tokens.allSatisfy { (20..<40).contains($0) })
    }

    @Test func aFaultFailsOneSequenceAlone() throws {
        let bench = Bench()
        bench.executor.poison = 96
        let healthy = try bench.submit(reply(prompt(20, seed: 8), 30))
        let sick = try bench.submit(reply(prompt(20, seed: 9) + [96], 30))
        var sickLabel = label(prompt(5, seed: 9) + [96])
        sickLabel.maxNewTokens = 3
        let sickScorer = try bench.submit(sickLabel)
        bench.runAll()
        #expect(sick.outcome.failure == .nonFiniteLogits(position: 20))
        #expect(sickScorer.outcome.failure == .nonFiniteLogits(position: 5))
        #expect(healthy.outcome.tokens == Toy.continuation(of: prompt(20, seed: 8), count: 30))
        #expect(bench.engine.pool.usedCount == 0)
        #expect(bench.engine.freeSlots.count == 4)
    }

    @Test func everythingBannedFails() throws {
        let bench = Bench()
        var request = reply([1, 2], 5)
        request.bannedFrom = 2
        request.bannedTokens = [0, 1]
        let job = try bench.submit(request)
        bench.runAll()
        #expect(job.outcome.failure == .nothingAllowed)
    }

    @Test func logprobsComeWithEachToken() throws {
        let bench = Bench()
        var request = reply(prompt(6, seed: 4), 3)
        request.topLogprobs = 2
        let job = try bench.submit(request)
        bench.runAll()
        let tokens = job.outcome.tokens
        for (index, token) in tokens.enumerated() {
            let logits = Toy.logits(after: request.prompt + tokens[..<index])
            let expected = logits.withUnsafeBufferPointer {
                GreedySampler.logprobs($0, chosen: token, top: 2, below: .max)
            }
            #expect(job.stream.logprobs(at: index) == expected)
            #expect(expected.top.first?.token == token)
        }
    }
}
