import Inference
import Metrics
import ModelFiles

/// What becomes of the logits.
extension Engine {
    /// A reply's next token: emitted and computed next, or the end.
    func advanceReply(_ sequence: Sequence, output: Int, isCoarse: Bool) {
        guard !sequence.job.isCancelled else { return finish(sequence, .cancelled) }
        notePrefilled(sequence)
        let request = sequence.job.request
        let limit = Int(request.bannedFrom)
        func isBanned(_ token: TokenID) -> Bool {
            request.bannedTokens.contains(token) && !request.stopTokens.contains(token)
        }
        let proved = isCoarse ? provedChoice(output: output, below: limit, isBanned: isBanned) : nil
        let logits = executor.logits(output: output)
        var choice = proved ?? GreedySampler.choose(logits, below: limit, isBanned: isBanned)
        if case .token(let best) = choice, let sampling = request.sampling {
            let index = sequence.generated
            choice = .token(
                sampler.choose(logits, best: best, below: limit, sampling, index: index, isBanned: isBanned)
            )
        }
        switch choice {
        case .nonFinite: return end(sequence, .failed(.nonFiniteLogits(position: sequence.tokens.count - 1)))
        case .nothingAllowed: return end(sequence, .failed(.nothingAllowed))
        case .token(let token) where request.stopTokens.contains(token): return finish(sequence, .stop)
        case .token(let token):
            let logprobs = request.topLogprobs.map {
                GreedySampler.logprobs(logits, chosen: token, top: $0, below: limit)
            }
            emit(token, logprobs: logprobs, from: sequence)
        }
    }

    /// The token of the greatest exact logit by the coarse ones; nil if they prove none: then the exact ones are there.
    private func provedChoice(
        output: Int,
        below limit: Int,
        isBanned: (TokenID) -> Bool
    ) -> GreedySampler.Choice? {
        let nearest = GreedySampler.choose(executor.logits(output: output), below: limit, isBanned: isBanned)
        var choice: GreedySampler.Choice?
        if case .token(let best) = nearest, let rivals = executor.rivals(of: best, output: output, below: limit) {
            choice = GreedySampler.choose(among: rivals, isBanned: isBanned)
        } else {
            executor.computeLogits(outputs: output..<output + 1)
        }
        coarsePace.note(proved: choice != nil)
        (choice == nil ? metrics.coarseUnproved : metrics.coarseProved).add()
        return choice
    }

    private func emit(_ token: TokenID, logprobs: TokenLogprobs?, from sequence: Sequence) {
        sequence.append(token)
        countToken(sequence)
        sequence.job.stream.push(token, logprobs: logprobs)
        if sequence.generated == sequence.job.request.maxNewTokens { finish(sequence, .length) }
    }

    /// Shows the constraint its tokens' logits and does what it says.
    func advanceLabel(_ sequence: Sequence, output: Int) {
        guard !sequence.job.isCancelled else { return finish(sequence, .cancelled) }
        notePrefilled(sequence)
        let allowed = sequence.constraint?.allowedTokens ?? []
        guard !allowed.isEmpty, allowed.allSatisfy(isInVocabulary) else {
            return end(sequence, .failed(.invalidConstraint("allows no token, or one outside the vocabulary")))
        }
        let logits = [Float](unsafeUninitializedCapacity: allowed.count) { buffer, count in
            buffer.initialize(repeating: .nan)
            count = allowed.count
            guard let base = buffer.baseAddress else { return }
            allowed.withUnsafeBufferPointer { executor.computeLogits(output: output, tokens: $0, into: base) }
        }
        guard logits.allSatisfy(\.isFinite) else {
            return end(sequence, .failed(.nonFiniteLogits(position: sequence.tokens.count - 1)))
        }
        switch logits.withUnsafeBufferPointer({ sequence.constraint?.advance(logits: $0) }) {
        case nil, .finished: finish(sequence, .constraint)
        case .feed(let keeping, let tokens): feed(sequence, keeping: keeping, tokens: tokens)
        }
    }

    private func feed(_ sequence: Sequence, keeping: Int, tokens: [TokenID]) {
        guard (0...sequence.generated).contains(keeping), tokens.allSatisfy(isInVocabulary) else {
            let what = "keeps \(keeping) of \(sequence.generated) tokens, or feeds one outside the vocabulary"
            return end(sequence, .failed(.invalidConstraint(what)))
        }
        let limit = sequence.job.request.maxNewTokens
        guard keeping + tokens.count <= limit else {
            let what = "needs \(keeping + tokens.count) tokens after the prompt, \(limit) are reserved"
            return end(sequence, .failed(.invalidConstraint(what)))
        }
        sequence.rewind(keeping: keeping, feeding: tokens)
        metrics.generationTokens.add(tokens.count)
    }

    private func isInVocabulary(_ token: TokenID) -> Bool {
        (0..<vocabularyCount).contains(Int(token))
    }

    /// Ends the sequence with a result and its timings.
    func finish(_ sequence: Sequence, _ reason: GenerationResult.Reason) {
        let now = Clock.now()
        let prefilledAt = sequence.prefilledAt ?? now
        var result = GenerationResult(reason: reason, promptTokens: sequence.promptCount)
        result.cachedTokens = sequence.cached
        result.generatedTokens = sequence.generated
        result.queueSeconds = Clock.seconds(from: sequence.job.submittedAt, to: sequence.admittedAt)
        result.prefillSeconds = Clock.seconds(from: sequence.admittedAt, to: prefilledAt)
        result.decodeSeconds = Clock.seconds(from: prefilledAt, to: now)
        result.constraint = sequence.constraint
        if sequence.prefilledAt != nil { metrics.decodeTime.observe(result.decodeSeconds) }
        keepConversation(sequence)
        end(sequence, .finished(result))
    }
}
