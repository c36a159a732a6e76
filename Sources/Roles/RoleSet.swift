import Glibc

/// All roles of a directory, checked against each other. A bad file fails the whole set, so that a running service
/// keeps the one it has.
package struct RoleSet: Sendable, Equatable {
    package static let maxRoles = 64

    /// In the order of their names.
    package let roles: [Role]

    package var names: [String] { roles.map(\.name) }

    package subscript(name: String) -> Role? { roles.first { $0.name == name } }

    /// Reads every `*.yaml` of the directory (hidden files apart; no subdirectories), and the roles' calibrations.
    package init(directory: String) throws(RoleError) {
        let names = try Self.yamlFiles(in: directory)
        guard !names.isEmpty else {
            throw RoleError(source: directory, line: nil, message: "no role file; put at least one NAME.yaml there")
        }
        guard names.count <= Self.maxRoles else {
            let message = "\(names.count) role files; at most \(Self.maxRoles) are allowed"
            throw RoleError(source: directory, line: nil, message: message)
        }
        var parsed: [RoleFile.Parsed] = []
        for name in names {
            let file = "\(directory)/\(name)"
            let text = try Self.read(file)
            parsed.append(try RoleFile.parse(file: file, name: String(name.dropLast(".yaml".count)), text: text))
        }
        for index in parsed.indices {
            let file = CalibrationFile.path(of: parsed[index].role.name, in: directory)
            guard access(file, F_OK) == 0 else { continue }
            let text = try Self.read(file)
            parsed[index].role.calibration = try CalibrationFile.parse(file: file, text: text, role: parsed[index].role)
        }
        roles = parsed.map(\.role)
        for item in parsed { try checkAnnotations(of: item.role, line: item.annotateLine, directory: directory) }
    }

    private init(roles: [Role]) { self.roles = roles }

    /// Only these roles, annotated only by one another.
    func offering(_ names: Set<String>) -> RoleSet {
        RoleSet(roles: roles.filter { names.contains($0.name) }.map { $0.annotated(byOnly: names) })
    }

    private func checkAnnotations(of role: Role, line: Int?, directory: String) throws(RoleError) {
        for name in role.annotate where self[name]?.labels == nil {
            let labelRoles = roles.filter { $0.labels != nil }.map(\.name).joined(separator: ", ")
            let message = "'annotate' names '\(name)', which is no label role; allowed: \(labelRoles)"
            throw RoleError(source: "\(directory)/\(role.name).yaml", line: line, message: message)
        }
    }

    private static func yamlFiles(in directory: String) throws(RoleError) -> [String] {
        guard let stream = opendir(directory) else { throw systemError(directory, "cannot open the role directory") }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            let isRole = name.hasSuffix(".yaml") && !name.hasSuffix(CalibrationFile.suffix)
            if isRole, !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    private static func read(_ file: String) throws(RoleError) -> String {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw systemError(file, "cannot open the role file") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: RoleFile.maxBytes + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress?.advanced(by: count), $0.count - count)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw systemError(file, "cannot read the role file") }
            if got == 0 { break }
            count += got
        }
        guard count <= RoleFile.maxBytes else {
            throw RoleError(source: file, line: nil, message: "larger than \(RoleFile.maxBytes) bytes; shorten it")
        }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else {
            throw RoleError(source: file, line: nil, message: "not UTF-8; save it as UTF-8")
        }
        return text
    }

    private static func systemError(_ source: String, _ what: String) -> RoleError {
        RoleError(source: source, line: nil, message: "\(what): \(String(cString: strerror(errno)))")
    }
}
