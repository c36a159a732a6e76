import Glibc
import Roles
import Scheduling

/// Texts to be judged by one role, some at a time: however many there are, only a window of them has prompts, places in
/// the queue and KV blocks.
struct LabelBatch {
    let engine: RoleEngine
    let judge: LabelJudge
    let texts: [String]
    /// How messages name the text of an index.
    let source: (Int) -> TextSource

    private typealias Pending = (work: LabelWork, handle: GenerationHandle)

    /// Enough to fill the batch again while verdicts are taken.
    private var window: Int { min(2 * engine.scheduler.options.slots, engine.scheduler.labelCapacity) }

    /// Refuses what can be told without tokens, so that no work is done for nothing.
    func check() throws(APIError) {
        for (index, text) in texts.enumerated() {
            do throws(PromptError) {
                try engine.check(text, judge)
            } catch {
                throw APIError(error, source: source(index))
            }
        }
    }

    /// Verdicts in the texts' order. A queue too full for the first text is an error; later ones wait for room.
    ///
    /// - Parameters:
    ///   - patience: the first text has to start in time, all to be judged; nil: as long as it takes.
    ///   - departure: cancels what is under way when the client goes.
    ///   - isClientGone: asked again and again.
    func verdicts(
        _ patience: Patience? = nil,
        _ departure: Departure? = nil,
        isClientGone: () -> Bool
    ) throws(Interruption) -> [LabelVerdict] {
        guard !texts.isEmpty else { return [] }
        // One place is all that it takes to be let in.
        var pending = [
            try Interruption.of { () throws(APIError) in try submit(0, startWithin: patience?.secondsToStart) }
        ]
        departure?.add(pending[0].handle)
        var verdicts: [LabelVerdict] = []
        // The first text of a role without a pinned prefix computes it for the others.
        if judge.cacheSpace == nil { try refill(&pending, from: 1, patience, departure, isClientGone) }
        while let (work, handle) = pending.first {
            let result = try handle.result(patience, isClientGone: isClientGone)
            verdicts.append(try Interruption.of { () throws(APIError) in try work.verdict(result) })
            pending.removeFirst()
            try refill(&pending, from: verdicts.count + pending.count, patience, departure, isClientGone)
        }
        return verdicts
    }

    /// Later texts wait for room in a queue that others fill.
    private func refill(
        _ pending: inout [Pending],
        from start: Int,
        _ patience: Patience?,
        _ departure: Departure?,
        _ isClientGone: () -> Bool
    ) throws(Interruption) {
        var next = start
        while next < texts.count, pending.count < window {
            if engine.scheduler.hasRoomForLabel {
                let added = try Interruption.of { () throws(APIError) in
                    try submit(next, startWithin: nil)  // let in already; `patience` ends the whole call
                }
                departure?.add(added.handle)
                pending.append(added)
                next += 1
            } else if pending.isEmpty {
                if isClientGone() { throw .clientGone }
                try patience?.check()
                usleep(UInt32(GenerationHandle.glance) * 1_000)
            } else {
                return
            }
        }
    }

    private func submit(_ index: Int, startWithin seconds: Double?) throws(APIError) -> Pending {
        let work: LabelWork
        do throws(PromptError) {
            work = try engine.labelWork(judge, [Message(author: .user, content: texts[index])])
        } catch {
            throw APIError(error, source: source(index))
        }
        do {
            return (work, try engine.scheduler.submit(work.request.starting(within: seconds)))
        } catch {
            throw APIError(error)
        }
    }
}

extension GenerationHandle {
    /// The end of a request that yields no text. Notices a client that went away and the end of its time; leaving the
    /// handle then cancels the work.
    fileprivate func result(
        _ patience: Patience?,
        isClientGone: () -> Bool
    ) throws(Interruption) -> GenerationResult {
        while true {
            if isClientGone() { throw .clientGone }
            try patience?.check()
            switch next(timeoutMilliseconds: Self.glance) {
            case .finished(let result):
                if result.reason == .cancelled, isClientGone() { throw .clientGone }
                return result
            case .failed(let failure): throw .error(APIError(failure))
            case .token, nil: continue
            }
        }
    }
}

extension Interruption {
    /// The body's result; its error as an interruption.
    static func of<Result>(_ body: () throws(APIError) -> Result) throws(Interruption) -> Result {
        do { return try body() } catch { throw .error(error) }
    }
}
