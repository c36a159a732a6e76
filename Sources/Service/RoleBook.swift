import ModelFiles
import Roles

/// One generation of the offered roles with what its roles need of the tokenizer. A request keeps the one it began with.
struct RoleBook: Sendable {
    let offer: RoleOffer
    /// The label roles by name.
    let judges: [String: LabelJudge]
    /// By role name: the tokens all of a role's prompts begin with.
    let prefixes: [String: [TokenID]]

    var roles: RoleSet { offer.roles }

    /// - Parameter model: `ModelFile.identity`
    init(_ offer: RoleOffer, builder: PromptBuilder, model: String) throws(RoleError) {
        var judges: [String: LabelJudge] = [:]
        var prefixes: [String: [TokenID]] = [:]
        for role in offer.roles.roles {
            judges[role.name] = try LabelJudge(role, builder: builder, model: model)
            prefixes[role.name] = builder.prefix(of: role)
        }
        self.offer = offer
        self.judges = judges
        self.prefixes = prefixes
    }

    func role(_ name: String) throws(APIError) -> Role {
        if let role = roles[name] { return role }
        if let trained = offer.trained, offer.leftOut.contains(name) { throw .untrained(name, trained: trained) }
        throw .unknownModel(name, known: roles.names)
    }
}
