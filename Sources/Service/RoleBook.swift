import ModelFiles
import Roles

/// One generation of the role set with what its roles need of the tokenizer. A request keeps the one it began with.
struct RoleBook: Sendable {
    let roles: RoleSet
    /// By role name: templates to copy for each request.
    let scorers: [String: LabelScorer]
    /// By role name: the tokens all of a role's prompts begin with.
    let prefixes: [String: [TokenID]]

    init(_ roles: RoleSet, builder: PromptBuilder) throws(RoleError) {
        var scorers: [String: LabelScorer] = [:]
        var prefixes: [String: [TokenID]] = [:]
        for role in roles.roles {
            if role.labels != nil { scorers[role.name] = try builder.scorer(for: role) }
            prefixes[role.name] = builder.prefix(of: role)
        }
        self.roles = roles
        self.scorers = scorers
        self.prefixes = prefixes
    }

    func role(_ name: String) throws(APIError) -> Role {
        guard let role = roles[name] else { throw .unknownModel(name, known: roles.names) }
        return role
    }
}
