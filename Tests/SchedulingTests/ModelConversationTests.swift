import Inference
import ModelFiles
import Testing

@testable import Scheduling

/// Conversations over the real forward pass: behind a cached beginning, the same bits as without a cache.
@Suite struct ModelConversationTests {
    private struct Turn: Equatable {
        var tokens: [TokenID]
        var logprobs: [TokenLogprobs?]
        /// Of the whole vocabulary after the prompt, as bits.
        var logits: [UInt32]
    }

    private static let turns = 4
    private let role = prompt(49, seed: 99)

    private func request(_ prompt: [TokenID], _ space: CacheSpace?) -> GenerationRequest {
        GenerationRequest(prompt: prompt, cacheSpace: space, maxNewTokens: 13, topLogprobs: 3)
    }

    /// All logits that follow the prompt; looks into the space as well.
    private func probe(_ prompt: [TokenID], _ space: CacheSpace?) -> GenerationRequest {
        let all = (0..<TokenID(randomModelVocabulary)).map { $0 }
        return GenerationRequest(
            prompt: prompt,
            cacheSpace: space,
            maxNewTokens: 0,
            constraint: PathConstraint(paths: [], allowedTokens: all)
        )
    }

    /// The next turn of each conversation, all at once, and a conversation's history after it.
    private func turn(
        _ scheduler: Scheduler,
        _ histories: inout [[TokenID]],
        _ spaces: [CacheSpace?],
        _ number: Int
    ) throws -> (turns: [Turn], cached: [Int]) {
        for index in histories.indices { histories[index] += prompt(3 + 11 * index, seed: UInt64(10 * number + index)) }
        let replies = zip(histories, spaces).map { request($0, $1) }
        let probes = zip(histories, spaces).map { probe($0, $1) }
        let handles = try scheduler.submitAll(replies + probes)
        var turns: [Turn] = []
        var cached: [Int] = []
        for index in histories.indices {
            let (reply, probe) = (handles[index].outcome(), handles[histories.count + index].outcome())
            #expect(reply.reason == .length && probe.reason == .constraint)
            let logits = (probe.result?.constraint as? PathConstraint)?.seen.first ?? []
            #expect(logits.count == randomModelVocabulary)
            let logprobs = reply.tokens.indices.map { handles[index].logprobs(at: $0) }
            turns.append(Turn(tokens: reply.tokens, logprobs: logprobs, logits: logits.map(\.bitPattern)))
            cached.append(reply.result?.cachedTokens ?? 0)
            histories[index] += reply.tokens
        }
        return (turns, cached)
    }

    @Test(arguments: [TensorType.f32, .f16, .q8_0, .q4_0])
    func cachedConversationsHaveTheBitsOfColdOnes(type: TensorType) throws {
        let model = try makeRandomModel(type)
        let cold = try makeModelScheduler(model) {
            $0.threads = 1
            $0.maxSequences = 1
        }
        let none: [CacheSpace?] = Array(repeating: nil, count: 5)
        var histories = Array(repeating: role, count: 5)
        var expected: [[Turn]] = []
        for number in 0..<Self.turns { expected.append(try turn(cold, &histories, none, number).turns) }
        #expect(Set(expected.joined().map(\.tokens)).count > 10)

        for threads in [1, 2] {
            let spaces = (0..<5).map { space("client \($0)") }
            // Among others.
            let crowd = try makeModelScheduler(model) { $0.threads = threads }
            try crowd.pinPrefix(role)
            var histories = Array(repeating: role, count: 5)
            for number in 0..<Self.turns {
                let known = histories.map { number == 0 ? role.count : $0.count - 1 }
                let (turns, cached) = try turn(crowd, &histories, spaces, number)
                #expect(turns == expected[number])
                // A probe may have been first, and left its prompt.
                #expect(zip(cached, known).allSatisfy { $0 >= $1 })
            }
            // Alone, from tokens that were generated in a batch.
            for index in histories.indices {
                let asked = histories[index] + [7]
                let before = try logits(cold.submit(probe(asked, nil)))
                let handle = try crowd.submit(probe(asked, spaces[index]))
                #expect(try logits(handle) == before)
                #expect(handle.outcome().result?.cachedTokens == asked.count - 2)
            }
            #expect(crowd.waitUntilIdle(timeoutMilliseconds: 60_000))
            #expect(crowd.snapshot.kvBlocksUsed == 2 && crowd.snapshot.kvBlocksCached > 10)
        }
    }

    /// A small arena, so that conversations push each other out.
    @Test(arguments: [TensorType.f32, .q8_0])
    func evictionChangesNoBit(type: TensorType) throws {
        let model = try makeRandomModel(type)
        let cold = try makeModelScheduler(model) { $0.maxSequences = 1 }
        let warm = try makeModelScheduler(model) {
            $0.maxSequences = 3
            $0.kvBlocks = 26
        }
        let spaces = (0..<5).map { space("client \($0)") }
        var (coldHistories, warmHistories) = (Array(repeating: role, count: 5), Array(repeating: role, count: 5))
        for number in 0..<6 {
            let expected = try turn(cold, &coldHistories, Array(repeating: nil, count: 5), number).turns
            #expect(try turn(warm, &warmHistories, spaces, number).turns == expected)
        }
        #expect(warm.waitUntilIdle(timeoutMilliseconds: 60_000))
        #expect(warm.snapshot.kvBlocksUsed == 0)
    }

    private func logits(_ handle: GenerationHandle) throws -> [UInt32] {
        let seen = (handle.outcome().result?.constraint as? PathConstraint)?.seen.first
        return try #require(seen).map(\.bitPattern)
    }
}
