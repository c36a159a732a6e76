import Inference
package import Metrics
package import ModelFiles
package import Roles
package import Scheduling
import Synchronization
import Tokenization

/// The model in all its roles: turns checked requests into scheduled work, and the tokens that come back into labels
/// and replies. Serves both the web endpoints and the command line.
package final class RoleEngine: Sendable {
    package let summary: ModelSummary
    package let scheduler: Scheduler
    let model: Model
    let tokenizer: Tokenizer
    private let builder: PromptBuilder
    private let current: Mutex<RoleBook>
    private let stopTokens: [TokenID]
    /// `<|im_end|>`
    let endOfMessage: TokenID
    /// `ModelFile.identity`
    package let modelIdentity: String
    /// Names of the control tokens in lower case.
    let controlNames: [[UInt8]]

    /// Loads the model and allocates all memory that the engine will ever use; `start` starts its thread.
    package init(
        file: ModelFile,
        offer: RoleOffer,
        options: SchedulerOptions,
        metrics: ServerMetrics
    ) throws(ServiceError) {
        do {
            // The tokenizer's tables take one thread a while, in which the others pack weights.
            let loading = try Background(name: "tokenizer") { try Tokenizer.load(from: file) }
            model = try Model(file: file, coarseOutput: options.coarseOutput)
            tokenizer = try loading.value()
            modelIdentity = file.identity
            file.releasePages()
            builder = try PromptBuilder(tokenizer: tokenizer)
            let book = try RoleBook(offer, builder: builder, model: modelIdentity)
            try Self.checkRoom(for: book, blocks: options.kvBlocks)
            current = Mutex(book)
            scheduler = try Scheduler(model: model, options: options, metrics: metrics)
            summary = ModelSummary(file: file, model: model, options: options)
        } catch {
            throw ServiceError("\(error)")
        }
        endOfMessage = builder.endOfMessage
        stopTokens = ["<|im_end|>", "<|endoftext|>"].compactMap(tokenizer.controlToken)
        controlNames = tokenizer.controlTokenNames.map { name in
            name.map { (0x41...0x5A).contains($0) ? $0 + 0x20 : $0 }
        }
    }

    /// Pinned prompts stay in the KV arena; what is left must hold at least a short message and its answer.
    static func checkRoom(for book: RoleBook, blocks: Int) throws(ServiceError) {
        let block = ComputeContext.blockTokens
        let pinned = book.prefixes.values.reduce(0) { $0 + ($1.count + block - 1) / block }
        let least = pinned + 8
        guard blocks >= least else {
            let taken = "the roles' prompts alone take \(pinned * block)"
            throw ServiceError("--kv-tokens \(blocks * block) is too small: \(taken); give at least \(least * block)")
        }
    }

    /// The name of the kernels that compute, with the KV cache's precision where it is not the model's own.
    var kernels: String {
        let set = (scheduler.options.instructionSet ?? .best).rawValue
        return scheduler.options.kvPrecision.map { "\(set) \($0.rawValue)" } ?? set
    }

    package func start() throws(ServiceError) {
        do { try scheduler.start() } catch { throw ServiceError("\(error)") }
    }

    /// The roles as they are now; a reload replaces them for later requests.
    var book: RoleBook { current.withLock { $0 } }
    package var roles: RoleSet { book.roles }
    package var offer: RoleOffer { book.offer }

    /// Prefills and pins what the prompts of each role have in common, so that requests start behind it.
    package func pinPrefixes() throws(ServiceError) {
        try pin(book)
    }

    /// Takes other roles for requests from now on; on an error the old ones stay.
    package func replaceRoles(_ offer: RoleOffer) throws(ServiceError) {
        let next: RoleBook
        do { next = try RoleBook(offer, builder: builder, model: modelIdentity) } catch {
            throw ServiceError("\(error)")
        }
        try pin(next)
        let old = current.withLock { book in
            defer { book = next }
            return book
        }
        for prefix in old.prefixes.values { try unpin(prefix) }
    }

    /// Pins every prefix of the book, or none.
    private func pin(_ book: RoleBook) throws(ServiceError) {
        var pinned: [[TokenID]] = []
        for prefix in book.prefixes.values {
            do {
                try scheduler.pinPrefix(prefix)
            } catch {
                for prefix in pinned { try unpin(prefix) }
                throw ServiceError("\(error)")
            }
            pinned.append(prefix)
        }
    }

    private func unpin(_ prefix: [TokenID]) throws(ServiceError) {
        do { try scheduler.unpinPrefix(prefix) } catch { throw ServiceError("\(error)") }
    }

    // MARK: Requests

    /// Throws what `labelWork` would for all that can be said of the text without tokens.
    func check(_ text: String, _ judge: LabelJudge) throws(PromptError) {
        try builder.check([Message(author: .user, content: text)], for: judge.role)
    }

    /// The work of judging one conversation by a label role.
    func labelWork(_ judge: LabelJudge, _ messages: [Message]) throws(PromptError) -> LabelWork {
        let prompt = try prompt(judge.role, messages, newTokens: judge.scorer.maxNewTokens)
        return judge.work(prompt, bannedFrom: TokenID(tokenizer.count))
    }

    /// A label role that a request brought along. Prompts of the same owner find their common beginning in the cache.
    func judge(_ role: Role, for owner: ConversationOwner?) throws(APIError) -> LabelJudge {
        do {
            guard var judge = try LabelJudge(role, builder: builder, model: modelIdentity) else {
                throw APIError.internalFault("role '\(role.name)' has no labels")
            }
            judge.cacheSpace = owner?.space(of: role)
            return judge
        } catch let error as RoleError {
            throw .invalid("labels: \(error.message)", param: "labels")
        } catch {
            throw error as? APIError ?? .internalFault("\(error)")
        }
    }

    /// The work of replying to a conversation.
    ///
    /// - Parameters:
    ///   - options: what the client asks for; the role's own limits stay in force.
    ///   - owner: whose earlier turns may be gone on from; nil: nobody's.
    func replyWork(
        _ role: Role,
        _ messages: [Message],
        _ options: ReplyOptions,
        owner: ConversationOwner?
    ) throws -> ReplyPlan {
        if let choices = options.choices { return try choiceWork(role, messages, choices, owner: owner) }
        let newTokens = min(options.maxTokens ?? .max, role.maxNewTokens, scheduler.options.maxNewTokens)
        let prompt = try prompt(role, messages, newTokens: newTokens)
        if let rule = role.fixedReply(to: prompt.text) {
            return ReplyPlan(.fixed(fixed(rule.reply, prompt, rule: rule.name)), prompt)
        }
        let request = GenerationRequest(
            prompt: prompt.tokens,
            cacheSpace: owner?.space(of: role),
            maxNewTokens: newTokens,
            stopTokens: stopTokens,
            bannedFrom: TokenID(tokenizer.count),
            bannedTokens: tokenizer.controlTokenIDs + builder.thoughtTokens,
            sampling: options.sampling,
            topLogprobs: options.topLogprobs
        )
        return ReplyPlan(.generation(request), prompt)
    }

    /// The work of choosing one of the client's texts as the reply.
    private func choiceWork(
        _ role: Role,
        _ messages: [Message],
        _ choices: [String],
        owner: ConversationOwner?
    ) throws -> ReplyPlan {
        if choices.count == 1 {
            let prompt = try prompt(role, messages, newTokens: 0)
            return ReplyPlan(.fixed(fixed(choices[0], prompt, rule: nil)), prompt)
        }
        let judge: LabelJudge
        do {
            judge = try LabelJudge(role, choices: choices, builder: builder, owner: owner)
        } catch {
            throw APIError.invalid("choices: \(error.message)")
        }
        let prompt = try prompt(role, messages, newTokens: judge.scorer.maxNewTokens)
        return ReplyPlan(.choice(judge.work(prompt, bannedFrom: TokenID(tokenizer.count))), prompt)
    }

    private func fixed(_ text: String, _ prompt: Prompt, rule: String?) -> FixedAnswer {
        FixedAnswer(text: text, rule: rule, promptTokens: prompt.tokens.count, tokens: tokenizer.encode(text))
    }

    private func prompt(_ role: Role, _ messages: [Message], newTokens: Int) throws(PromptError) -> Prompt {
        try builder.prompt(for: role, messages: messages, contextLimit: scheduler.tokenLimit - newTokens)
    }
}

/// Why the service cannot start or go on; one line.
package struct ServiceError: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}
