import Inference
import Metrics
import ModelFiles
import Testing

@testable import Scheduling

/// The scheduler over the real forward pass of a small random model: same in, same bits out.
@Suite struct ModelSchedulingTests {
    /// A reply with its log-probabilities, for comparison bit by bit.
    private struct Answer: Equatable {
        var tokens: [TokenID]
        var logprobs: [TokenLogprobs?]
    }

    private func request(_ prompt: [TokenID]) -> GenerationRequest {
        GenerationRequest(
            prompt: prompt,
            maxNewTokens: 24,
            bannedFrom: TokenID(randomModelVocabulary - 9),
            bannedTokens: [0, 5],
            topLogprobs: 3
        )
    }

    private func answer(_ handle: GenerationHandle) throws -> Answer {
        let outcome = handle.outcome()
        #expect(outcome.reason == .length)
        #expect(outcome.tokens.count == 24)
        return Answer(tokens: outcome.tokens, logprobs: outcome.tokens.indices.map { handle.logprobs(at: $0) })
    }

    private let paths: [[TokenID]] = [[1, 2, 3], [1, 2, 4], [5, 6], [6]]

    private func labelRequest(_ prompt: [TokenID]) -> GenerationRequest {
        let constraint = PathConstraint(paths: paths, allowedTokens: [7, 8, 250])
        return GenerationRequest(
            prompt: prompt,
            maxNewTokens: 4,
            constraint: constraint
        )
    }

    private func logits(_ handle: GenerationHandle) -> [[Float]]? {
        (handle.outcome().result?.constraint as? PathConstraint)?.seen
    }

    @Test(arguments: [TensorType.f32, .f16, .q8_0, .q4_0])
    func companyThreadsAndChunksChangeNoBit(type: TensorType) throws {
        let model = try makeRandomModel(type)
        let prompts = (0..<16).map { prompt(1 + 9 * $0, seed: UInt64($0)) }
        let alone = try makeModelScheduler(model) {
            $0.threads = 1
            $0.maxSequences = 1
        }
        let expected = try prompts.map { try answer(alone.submit(request($0))) }
        #expect(Set(expected.map(\.tokens)).count > 8)
        #expect(expected.allSatisfy { $0.logprobs.allSatisfy { $0?.top.first?.logprob.isFinite == true } })
        let labels = try prompts.map { try logits(alone.submit(labelRequest($0))) }
        #expect(labels.allSatisfy { $0?.count == paths.count + 1 })

        for chunk in [16, 64] {
            let crowd = try makeModelScheduler(model) { $0.prefillChunk = chunk }
            let handles = try crowd.submitAll(prompts.map { request($0) } + prompts.map { labelRequest($0) })
            #expect(try handles.prefix(16).map(answer) == expected)
            #expect(handles.suffix(16).map(logits) == labels)
        }
    }

    @Test(arguments: [TensorType.f32, .q8_0], [31, 32, 49, 64])
    func pinnedPrefixChangesNoBit(type: TensorType, prefixCount: Int) throws {
        let model = try makeRandomModel(type)
        let prefix = prompt(prefixCount, seed: 99)
        let prompts = [0, 1, 30].map { prefix + prompt($0, seed: 3) }
        let cold = try makeModelScheduler(model)
        let warm = try makeModelScheduler(model)
        try warm.pinPrefix(prefix)
        for prompt in prompts {
            let expected = try answer(cold.submit(request(prompt)))
            let labels = try logits(cold.submit(labelRequest(prompt)))
            for _ in 0..<2 {
                let handle = try warm.submit(request(prompt))
                #expect(try answer(handle) == expected)
                #expect(try logits(warm.submit(labelRequest(prompt))) == labels)
            }
        }
        #expect(warm.waitUntilIdle(timeoutMilliseconds: 60_000))
        #expect(warm.snapshot.kvBlocksUsed == (prefixCount + 31) / 32)
    }

    @Test func cancelFreesBlocksWhileOthersGoOn() throws {
        let model = try makeRandomModel(.q8_0)
        let scheduler = try makeModelScheduler(model)
        let expected = try answer(scheduler.submit(request([1, 2, 3])))
        var long = request(prompt(60, seed: 1))
        long.maxNewTokens = 900
        let cancelled = try scheduler.submit(long)
        guard case .token = cancelled.next(timeoutMilliseconds: 5000) else {
            Issue.record("no token")
            return
        }
        #expect(scheduler.snapshot.kvBlocksUsed == 30)
        let other = try scheduler.submit(request([1, 2, 3]))
        cancelled.cancel()
        #expect(cancelled.outcome().reason == .cancelled)
        #expect(scheduler.snapshot.kvBlocksUsed <= 1)
        #expect(try answer(other) == expected)
    }

    @Test func theQueueHasABound() throws {
        let scheduler = try makeModelScheduler(makeRandomModel(.q8_0)) {
            $0.maxSequences = 2
            $0.queueLimit = 3
        }
        var long = request(prompt(10, seed: 1))
        long.maxNewTokens = 900
        let handles = try scheduler.submitAll((0..<5).map { _ in long })
        do {
            _ = try scheduler.submit(long)
            Issue.record("taken in beyond the bound")
        } catch {
            guard case .full(let seconds) = error else {
                Issue.record("\(error)")
                return
            }
            #expect((1...60).contains(seconds))
        }
        for handle in handles { handle.cancel() }
        #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
        #expect(scheduler.snapshot.kvBlocksUsed == 0)
    }

    /// 200 requests of every kind in a small arena, some cancelled: the finished ones with the bits they have alone.
    @Test func mixedRequestsLeaveNothingBehind() throws {
        let model = try makeRandomModel(.q8_0)
        let prefix = prompt(49, seed: 99)
        let prompts = (0..<10).map { ($0 % 2 == 0 ? prefix : []) + prompt(1 + 7 * $0, seed: UInt64($0)) }
        let alone = try makeModelScheduler(model) { $0.maxSequences = 1 }
        let answers = try prompts.map { try answer(alone.submit(request($0))) }
        let labels = try prompts.map { try logits(alone.submit(labelRequest($0))) }

        let scheduler = try makeModelScheduler(model) {
            $0.maxSequences = 5
            $0.queueLimit = 15
            $0.kvBlocks = 20
        }
        try scheduler.pinPrefix(prefix)
        for round in 0..<10 {
            let kinds = (0..<20).map { Toy.mix(UInt64(round * 20 + $0)) }
            let requests = kinds.enumerated().map { index, kind in
                kind % 2 == 0 ? request(prompts[index % 10]) : labelRequest(prompts[index % 10])
            }
            let handles = try scheduler.submitAll(requests)
            for (kind, handle) in zip(kinds, handles) where kind >> 8 % 4 == 0 { handle.cancel() }
            for (index, handle) in handles.enumerated() where kinds[index] >> 8 % 4 != 0 {
                if kinds[index] % 2 == 0 {
                    #expect(try answer(handle) == answers[index % 10])
                } else {
                    #expect(logits(handle) == labels[index % 10])
                }
            }
            #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
            #expect(scheduler.snapshot.kvBlocksUsed == 2 && !scheduler.snapshot.isBusy)
        }
        #expect(scheduler.snapshot.sequences.isEmpty)
    }
}
