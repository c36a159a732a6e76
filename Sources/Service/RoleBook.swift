import ModelFiles
import Roles

/// One generation of the offered roles with what its roles need of the tokenizer. A request keeps the one it began with.
struct RoleBook: Sendable {
    let offer: RoleOffer
    /// By role name: templates to copy for each request.
    let scorers: [String: LabelScorer]
    /// By role name: the tokens all of a role's prompts begin with.
    let prefixes: [String: [TokenID]]

    var roles: RoleSet { offer.roles }

    init(_ offer: RoleOffer, builder: PromptBuilder) throws(RoleError) {
        var scorers: [String: LabelScorer] = [:]
        var prefixes: [String: [TokenID]] = [:]
        for role in offer.roles.roles {
            if role.labels != nil { scorers[role.name] = try builder.scorer(for: role) }
            prefixes[role.name] = builder.prefix(of: role)
        }
        self.offer = offer
        self.scorers = scorers
        self.prefixes = prefixes
    }

    func role(_ name: String) throws(APIError) -> Role {
        if let role = roles[name] { return role }
        if let trained = offer.trained, offer.leftOut.contains(name) { throw .untrained(name, trained: trained) }
        throw .unknownModel(name, known: roles.names)
    }
}
