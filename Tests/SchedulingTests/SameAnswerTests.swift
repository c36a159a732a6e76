import Inference
import ModelFiles
import Testing

@testable import Scheduling

/// One request alone against the same among 15 others, with one thread and two, cold and cached, in chunks of any size: equal
/// tokens and log-probabilities to the last bit, for every weight type.
@Suite struct SameAnswerTests {
    private struct Answer: Equatable {
        var tokens: [TokenID]
        /// Of the chosen tokens and of the best alternatives, as bits.
        var logprobs: [UInt32]
    }

    private static let newTokens = 10
    private let role = prompt(49, seed: 99)

    private func request(_ prompt: [TokenID], _ space: CacheSpace?) -> GenerationRequest {
        GenerationRequest(prompt: prompt, cacheSpace: space, maxNewTokens: Self.newTokens, topLogprobs: 3)
    }

    private func answer(_ handle: GenerationHandle, cached: Int) throws -> Answer {
        let outcome = handle.outcome()
        let result = try #require(outcome.result)
        #expect(result.generatedTokens == Self.newTokens && result.cachedTokens == cached)
        let logprobs = outcome.tokens.indices.flatMap { index -> [UInt32] in
            guard let logprobs = handle.logprobs(at: index) else { return [] }
            return ([logprobs.chosen] + logprobs.top).map(\.logprob.bitPattern)
        }
        #expect(logprobs.count == 4 * Self.newTokens)
        return Answer(tokens: outcome.tokens, logprobs: logprobs)
    }

    @Test(arguments: TensorType.writable, [1, 2])
    func aloneOrInCompanyColdOrCached(type: TensorType, threads: Int) throws {
        let model = try makeRandomModel(type)
        // Below, at and above the borders of blocks and chunks.
        let prompts = (0..<16).map { role + prompt(1 + 9 * $0, seed: UInt64($0)) }
        let alone = try makeModelScheduler(model) {
            $0.threads = 1
            $0.maxSequences = 1
        }
        let expected = try prompts.map { try answer(alone.submit(request($0, nil)), cached: 0) }
        #expect(Set(expected.map(\.tokens)).count > 8)

        for chunk in [1, 16, 64] {
            let crowd = try makeModelScheduler(model) {
                $0.threads = threads
                $0.prefillChunk = chunk
                $0.maxBatchRows = 20 + chunk
                $0.kvBlocks = 256
            }
            func company(_ space: CacheSpace?, cached: ([TokenID]) -> Int) throws {
                let handles = try crowd.submitAll(prompts.map { request($0, space) })
                for (index, handle) in handles.enumerated() {
                    #expect(try answer(handle, cached: cached(prompts[index])) == expected[index])
                }
            }
            try company(nil) { _ in 0 }
            try crowd.pinPrefix(role)
            try company(nil) { _ in role.count }
            // Fills the conversations' cache, then answers from it.
            try company(space("ours")) { _ in role.count }
            try company(space("ours")) { $0.count - 1 }
            for (prompt, expected) in zip(prompts, expected) {
                let handle = try crowd.submit(request(prompt, space("ours")))
                #expect(try answer(handle, cached: prompt.count - 1) == expected)
            }
        }
    }
}
