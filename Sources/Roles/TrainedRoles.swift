package import ModelFiles

/// The roles that a model was trained for, as its file names them. A small model answers well in these only, and is not
/// put to others; a file that names none (any ordinary chat model) may be put to every role.
package struct TrainedRoles: Sendable, Equatable {
    /// In the file's order, each once, at most `RoleSet.maxRoles`.
    package let names: [String]

    package init(_ names: [String]) {
        var seen: Set<String> = []
        self.names = names.filter { seen.insert($0).inserted }
    }

    /// Nil if the model names none. Throws if `ModelFile.rolesKey` holds anything but at most 64 role names.
    package init?(of file: ModelFile) throws(RoleError) {
        guard let value = file.metadata[ModelFile.rolesKey] else { return nil }
        guard let table = value.strings, table.count <= RoleSet.maxRoles else {
            throw Self.error(file, "must be an array of at most \(RoleSet.maxRoles) strings")
        }
        var names: [String] = []
        for index in 0..<table.count {
            guard let name = String(validating: table[index], as: UTF8.self), RoleFile.isValidName(name) else {
                throw Self.error(file, "element \(index) must be 1 to 32 of a-z, 0-9, '_' and '-'")
            }
            names.append(name)
        }
        self.init(names)
    }

    private static func error(_ file: ModelFile, _ rule: String) -> RoleError {
        RoleError(
            source: file.path,
            line: nil,
            message: "metadata \(ModelFile.rolesKey): \(rule); convert the model anew"
        )
    }
}
