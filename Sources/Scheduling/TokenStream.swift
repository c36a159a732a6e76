import ModelFiles

/// The tokens of one request on their way from the engine to its reader. Holds all that can come, so the engine never
/// waits for a slow reader and memory has a bound.
final class TokenStream: Sendable {
    private struct State: Sendable {
        var tokens: [TokenID] = []
        var logprobs: [TokenLogprobs] = []
        var delivered = 0
        var ending: GenerationEvent?
    }

    private let state: Monitor<State>

    init(capacity: Int) {
        var initial = State()
        initial.tokens.reserveCapacity(capacity)
        state = Monitor(initial)
    }

    func push(_ token: TokenID, logprobs: TokenLogprobs?) {
        state.update { state in
            state.tokens.append(token)
            if let logprobs { state.logprobs.append(logprobs) }
        }
    }

    /// The first ending counts.
    func end(_ event: GenerationEvent) {
        state.update { if $0.ending == nil { $0.ending = event } }
    }

    /// The next event; nil if none came in time. The ending repeats.
    func next(timeoutMilliseconds: Int) -> GenerationEvent? {
        state.wait(until: Clock.now() + UInt64(max(0, timeoutMilliseconds)) * 1_000_000, Self.take)
    }

    /// The next event, however long it takes.
    func next() -> GenerationEvent {
        state.wait(until: nil, Self.take) ?? .failed(.stopped)
    }

    func logprobs(at index: Int) -> TokenLogprobs? {
        state.withLock { $0.logprobs.indices.contains(index) ? $0.logprobs[index] : nil }
    }

    private static func take(_ state: inout State) -> GenerationEvent? {
        guard state.delivered < state.tokens.count else { return state.ending }
        state.delivered += 1
        return .token(state.tokens[state.delivered - 1])
    }
}
