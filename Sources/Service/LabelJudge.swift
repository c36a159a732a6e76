import ModelFiles
import Roles
import Scheduling

/// A label role made ready: all that is the same for every text that it judges.
struct LabelJudge: Sendable {
    let role: Role
    let labels: [String]
    /// A template to copy for each text.
    let scorer: LabelScorer
    /// nil: the probabilities stay as they are.
    let calibration: Calibration?
    /// Where prompts find each other's common beginning; nil: the role's prefix is pinned.
    var cacheSpace: CacheSpace?
    /// Tokens of that beginning; the whole prompt if it has fewer.
    let prefixCount: Int

    /// Nil if the role replies in free text.
    ///
    /// - Parameter model: `ModelFile.identity`
    init?(_ role: Role, builder: PromptBuilder, model: String) throws(RoleError) {
        guard let labels = role.labels else { return nil }
        self.role = role
        self.labels = labels
        scorer = try builder.scorer(for: role)
        calibration = role.calibration(for: model)
        prefixCount = builder.prefix(of: role).count
    }

    /// Chooses among a client's texts as the reply of a role.
    init(
        _ role: Role,
        choices: [String],
        builder: PromptBuilder,
        owner: ConversationOwner?
    ) throws(RoleError) {
        self.role = role
        labels = choices
        scorer = try builder.scorer(for: choices, maxTokens: .max, source: role.name)
        calibration = nil
        cacheSpace = owner?.space(of: role)
        prefixCount = .max
    }

    func work(_ prompt: Prompt, bannedFrom: TokenID) -> LabelWork {
        var request = GenerationRequest(
            prompt: prompt.tokens,
            cacheSpace: cacheSpace,
            maxNewTokens: scorer.maxNewTokens,
            bannedFrom: bannedFrom,
            constraint: scorer
        )
        request.maxTokensKept = min(prefixCount, prompt.tokens.count)
        return LabelWork(judge: self, isTruncated: prompt.truncated, request: request)
    }
}

/// One text to be judged, before it is submitted.
struct LabelWork {
    let judge: LabelJudge
    let isTruncated: Bool
    let request: GenerationRequest

    var role: String { judge.role.name }

    /// The verdict in the scheduler's result.
    func verdict(_ result: GenerationResult) throws(APIError) -> LabelVerdict {
        guard let scorer = result.constraint as? LabelScorer, scorer.isValid, result.reason == .constraint else {
            throw .internalFault("role '\(role)' gave no label (\(result.reason.rawValue))")
        }
        return LabelVerdict(
            labels: judge.labels,
            logProbabilities: scorer.logProbabilities,
            calibration: judge.calibration,
            abstainBelow: judge.role.abstainBelow,
            isTruncated: isTruncated,
            result: result
        )
    }
}
