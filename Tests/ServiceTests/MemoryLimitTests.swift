import Inference
import Metrics
import ModelFiles
import Scheduling
import Testing

@testable import Service

@Suite struct MemoryLimitTests {
    private let model = "\(packageRoot)/models/starter.gguf"

    @Test func aLimitThatIsHighEnoughIsTaken() throws {
        let (budget, options) = try budget()
        try budget.check(against: nil, options: options)
        try budget.check(against: limit(budget.totalBytes), options: options)
    }

    @Test func oneThatIsTooLowNamesTheFlagToLower() throws {
        let (budget, options) = try budget { $0.scheduler.kvBlocks = 1 << 20 }
        let message = refusal(budget, options, budget.totalBytes - 1)
        #expect(message.contains("lower --kv-tokens (now 33554432, ") && message.contains("/fake/memory.max"))
        #expect(!message.contains("\n"))
        let (many, workers) = try self.budget { $0.workers = 2000 }
        #expect(refusal(many, workers, many.totalBytes - 1).contains("lower --workers (now 2000, "))
        let (long, queue) = try self.budget { $0.scheduler.queueLimit = 1000 }
        let text = refusal(long, queue, long.totalBytes - 1)
        #expect(text.contains("lower --queue and --max-sequences (now 1000 and 16, "))
    }

    @Test func aModelThatIsTooLargeIsNamed() throws {
        let (budget, options) = try budget()
        #expect(refusal(budget, options, 1 << 20).contains("take a smaller model"))
    }

    @Test func everyFlagCounts() throws {
        let base = try budget().budget.totalBytes
        #expect(try budget { $0.workers = 1000 }.budget.totalBytes > base + 800 * (40 << 10))
        #expect(try budget { $0.bodyLimit = 8 << 20 }.budget.totalBytes > base + (7 << 20))
        #expect(try budget { $0.scheduler.maxNewTokens = 4096 }.budget.totalBytes > base)
        #expect(try budget { $0.scheduler.maxSequences = 64 }.budget.totalBytes > base)
    }

    private func refusal(_ budget: MemoryBudget, _ options: ServerOptions, _ bytes: Int) -> String {
        do {
            try budget.check(against: limit(bytes), options: options)
            return ""
        } catch { return "\(error)" }
    }

    private func limit(_ bytes: Int) -> ControlGroupLimit { ControlGroupLimit(bytes: bytes, path: "/fake/memory.max") }

    private func budget(
        _ change: (inout ServerOptions) -> Void = { _ in }
    ) throws -> (budget: MemoryBudget, options: ServerOptions) {
        var options = ServerOptions(
            model: model,
            rolesDirectory: "",
            mainSocket: "",
            opsSocket: "",
            scheduler: SchedulerOptions()
        )
        change(&options)
        let plan = try MemoryPlan(file: try ModelFile.open(model), options: options.scheduler)
        return (MemoryBudget(plan: plan, options: options.scheduler, serviceBytes: options.serviceBytes), options)
    }
}
