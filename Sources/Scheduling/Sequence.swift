import Inference
import ModelFiles

/// One running request, owned by the engine thread.
final class Sequence {
    let job: Job
    let slot: Int
    /// It runs in what is kept for labels.
    let isInLabels: Bool
    /// Holds positions 0..<32·count; the first ones may be shared and are then never written.
    private(set) var blocks: [Int32]
    /// Prompt tokens that were in the cache at admission.
    let cached: Int
    /// Blocks that it did not find in the cache.
    let ownBlocks: Int
    /// The prompt and what follows it so far.
    private(set) var tokens: [TokenID]
    /// The first so many tokens have their keys and values in the cache.
    var computed: Int
    var constraint: (any TokenConstraint)?
    let admittedAt: UInt64
    /// When the prompt's last logits were there.
    var prefilledAt: UInt64?
    var lastTokenAt: UInt64?

    init(job: Job, slot: Int, isInLabels: Bool, lease: BlockPool.Lease, admittedAt: UInt64) {
        self.job = job
        self.slot = slot
        self.isInLabels = isInLabels
        self.admittedAt = admittedAt
        blocks = lease.blocks
        cached = lease.cached
        ownBlocks = lease.ownBlocks
        tokens = job.request.prompt
        tokens.reserveCapacity(tokens.count + job.request.maxNewTokens)
        computed = cached
        constraint = job.request.constraint
    }

    var promptCount: Int { job.request.prompt.count }
    var generated: Int { tokens.count - promptCount }

    var demand: BatchPlanner.Demand {
        let rows = tokens.count - computed
        if job.isLabel || job.purpose == .pin { return .init(kind: .label, rows: rows) }
        return .init(kind: prefilledAt == nil ? .chat : .decode, rows: rows)
    }

    /// Its blocks, which are the caller's to give back now.
    func handOver() -> [Int32] {
        defer { blocks = [] }
        return blocks
    }

    /// Appends a reply's token, to be computed next.
    func append(_ token: TokenID) {
        tokens.append(token)
    }

    /// Keeps so many tokens after the prompt, then appends `fed`. At least one row is left to compute, the last one, for
    /// its logits: computing a row again writes the same bits.
    func rewind(keeping count: Int, feeding fed: [TokenID]) {
        tokens.removeLast(generated - count)
        tokens += fed
        computed = min(computed, promptCount + count, tokens.count - 1)
    }
}
