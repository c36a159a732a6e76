package import ModelFiles
package import Roles
package import Scheduling
import Tokenization

/// What `check` found of a model and its roles.
package struct RoleCheck: Sendable {
    private let model: String
    private let offer: RoleOffer
    private let identity: String
    /// nil: the weights were not loaded.
    private let canary: String?

    /// Roles against the model's tokenizer and context; no weights.
    package init(file: ModelFile, offer: RoleOffer, options: SchedulerOptions) throws(ServiceError) {
        do {
            identity = file.identity
            let builder = try PromptBuilder(tokenizer: try Tokenizer.load(from: file))
            let book = try RoleBook(offer, builder: builder, model: identity)
            try RoleEngine.checkRoom(for: book, blocks: options.kvBlocks)
        } catch {
            throw error as? ServiceError ?? ServiceError("\(error)")
        }
        model = ModelSummary.name(of: file)
        self.offer = offer
        canary = nil
    }

    /// The same with the weights: the canary's answer, and every role's prompt.
    package init(running engine: RoleEngine) throws(ServiceError) {
        do { canary = "\(try Canary(engine: engine).run())" } catch {
            throw error as? ServiceError ?? ServiceError("\(error)")
        }
        try engine.pinPrefixes()
        model = engine.summary.name
        offer = engine.offer
        identity = engine.modelIdentity
    }

    package var lines: String {
        var lines = ["ok: \(model), roles \(offer.roles.names.joined(separator: " "))"]
        if let canary { lines.append("canary: \(canary)") }
        if !offer.leftOut.isEmpty {
            lines.append("not offered, as the model was not trained for them: \(offer.leftOut.joined(separator: " "))")
        }
        for role in offer.roles.roles where role.calibration != nil {
            let fault = role.calibrationFault(for: identity)
            lines.append("calibration of \(role.name): " + (fault.map { "left out, \($0)" } ?? "taken"))
        }
        return lines.joined(separator: "\n")
    }
}
