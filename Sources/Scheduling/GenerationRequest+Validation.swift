import Metrics
import ModelFiles

extension GenerationRequest {
    /// Everything that does not depend on the arena's size.
    func validate(vocabularyCount: Int, maxNewTokens limit: Int) throws(AdmissionError) {
        try validatePrompt(vocabularyCount: vocabularyCount)
        let least = constraint == nil ? 1 : 0
        guard maxNewTokens >= least, maxNewTokens <= limit else {
            throw .invalid("maxNewTokens is \(maxNewTokens); it must be from \(least) to \(limit)")
        }
        guard bannedFrom > 0 else { throw .invalid("bannedFrom is \(bannedFrom); it must be at least 1") }
        if let sampling, !(sampling.temperature.isFinite && sampling.temperature > 0 && (0...1).contains(sampling.topP))
        {
            throw .invalid("sampling takes a temperature above 0 and a top-p from 0 to 1")
        }
        if let topLogprobs, !(0...Self.maxTopLogprobs).contains(topLogprobs) {
            throw .invalid("topLogprobs is \(topLogprobs); it must be from 0 to \(Self.maxTopLogprobs)")
        }
    }

    func validatePrompt(vocabularyCount: Int) throws(AdmissionError) {
        guard !prompt.isEmpty else { throw .invalid("the prompt is empty; it needs at least one token") }
        if let bad = prompt.first(where: { !(0..<vocabularyCount).contains(Int($0)) }) {
            throw .invalid("the prompt has token \(bad); ids go from 0 to \(vocabularyCount - 1)")
        }
    }
}

extension AdmissionError {
    var rejectionReason: RejectionReason {
        switch self {
        case .full: .full
        case .overdue: .overdue
        case .draining: .draining
        case .tooLong: .tooLong
        case .invalid: .invalid
        }
    }
}
