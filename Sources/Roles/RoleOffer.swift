/// What a model offers of a role directory: all roles, or those it was trained for.
package struct RoleOffer: Sendable, Equatable {
    /// An annotation that an offered role goes without, because the model was not trained for it.
    package struct LeftOutAnnotation: Sendable, Equatable {
        package let role: String
        package let annotation: String
    }

    /// Where the files are.
    package let directory: String
    /// nil: the model does not say, and all roles are offered.
    package let trained: TrainedRoles?
    /// The offered roles; never empty.
    package let roles: RoleSet
    /// Role files that are not offered, by name.
    package let leftOut: [String]
    /// Trained roles that have no file here.
    package let withoutFile: [String]
    package let leftOutAnnotations: [LeftOutAnnotation]

    /// Reads the directory. Throws what `RoleSet` throws, and if no role is left to offer.
    package init(directory: String, trained: TrainedRoles?) throws(RoleError) {
        let set = try RoleSet(directory: directory)
        self.directory = directory
        self.trained = trained
        guard let trained else {
            (roles, leftOut, withoutFile, leftOutAnnotations) = (set, [], [], [])
            return
        }
        let offered = Set(trained.names).intersection(set.names)
        guard !offered.isEmpty else {
            let message = """
                the model was trained for none of these roles, only for \(trained.list); put a file for one of them there, \
                or \(TrainedRoles.remedy)
                """
            throw RoleError(source: directory, line: nil, message: message)
        }
        leftOut = set.names.filter { !offered.contains($0) }
        withoutFile = trained.names.filter { !offered.contains($0) }
        leftOutAnnotations = set.roles.filter { offered.contains($0.name) }.flatMap { role in
            role.annotate.filter { !offered.contains($0) }.map { LeftOutAnnotation(role: role.name, annotation: $0) }
        }
        roles = set.offering(offered)
    }
}

extension TrainedRoles {
    /// For messages.
    package var list: String { names.isEmpty ? "none" : names.joined(separator: ", ") }

    /// What to do where a role is wanted that the model was not trained for.
    package static let remedy = """
        start with --model and a larger Qwen chat model such as Qwen1.5-0.5B-Chat, which serves all role files
        """
}
