import Glibc
import Metrics
import ModelFiles
import Testing

@testable import Scheduling

@Suite struct SchedulerLoadTests {
    /// Replies, labels, cancellations, dropped handles and full queues from four threads: every answer is right, and
    /// nothing stays behind.
    @Test func mixedRequestsLeaveNothingBehind() async throws {
        var options = SchedulerOptions()
        options.maxSequences = 6
        options.queueLimit = 4
        options.labelSequences = 2
        options.kvBlocks = 24
        let scheduler = try Scheduler(
            executor: ToyExecutor(kvBlocks: 24, maxSequences: options.slots),
            vocabularyCount: 97,
            contextLength: 256,
            options: options,
            metrics: ServerMetrics(roles: [], build: [])
        )
        try scheduler.start()
        let prefix = prompt(49, seed: 1)
        try scheduler.pinPrefix(prefix)

        await withTaskGroup(of: Void.self) { group in
            for client in 0..<4 {
                group.addTask {
                    for index in 0..<50 { await oneRequest(UInt64(client * 1000 + index), scheduler, prefix) }
                }
            }
        }
        #expect(scheduler.waitUntilIdle(timeoutMilliseconds: 60_000))
        let snapshot = scheduler.snapshot
        #expect(snapshot.running == 0 && snapshot.waiting == 0 && !snapshot.isBusy)
        #expect(snapshot.kvBlocksUsed == 2 && snapshot.sequences.isEmpty)
    }

    private func oneRequest(_ seed: UInt64, _ scheduler: Scheduler, _ prefix: [TokenID]) async {
        let random = Toy.mix(seed)
        let isShared = random % 2 == 0
        let tail = prompt(1 + Int(random >> 8 % 60), seed: seed % 7)
        let whole = isShared ? prefix + tail : tail
        let conversation = random >> 50 % 3 == 0 ? nil : space("client \(random >> 52 % 3)")
        var request = reply(whole, 1 + Int(random >> 20 % 20), in: conversation)
        let paths: [[TokenID]] = [[1], [2, 3], [2, 4]]
        let isLabel = random >> 32 % 3 == 0
        if isLabel {
            request.maxNewTokens = 4
            request.constraint = PathConstraint(paths: paths, allowedTokens: [5, 6])
        }
        guard let handle = await submitPatiently(request, scheduler) else { return }
        switch random >> 40 % 5 {
        case 0: handle.cancel()
        case 1: return  // dropped
        default: break
        }
        let outcome = handle.outcome()
        if outcome.reason == .cancelled { return }
        if isLabel {
            let expected = PathConstraint(paths: paths, allowedTokens: [5, 6]).expected(after: whole) {
                Toy.logit(Toy.hidden($0), $1)
            }
            #expect((outcome.result?.constraint as? PathConstraint)?.seen == expected)
        } else {
            #expect(outcome.tokens == Toy.continuation(of: whole, count: request.maxNewTokens))
        }
    }

    /// Tries again while the queue is full.
    private func submitPatiently(_ request: GenerationRequest, _ scheduler: Scheduler) async -> GenerationHandle? {
        while true {
            do {
                return try scheduler.submit(request)
            } catch .full(let seconds) {
                #expect((1...60).contains(seconds))
                try? await Task.sleep(for: .milliseconds(5))
            } catch {
                Issue.record("\(error)")
                return nil
            }
        }
    }
}
