import FoundationEssentials

/// Where models come from, and how it is asked.
package struct Hub: Sendable {
    package enum Kind: String, CaseIterable, Sendable {
        case huggingface
        case modelscope

        /// Where the token is taken from.
        package var tokenVariable: String { self == .huggingface ? "HF_TOKEN" : "MODELSCOPE_API_TOKEN" }
        package var defaultRevision: String { self == .huggingface ? "main" : "master" }
        package var defaultEndpoint: String {
            self == .huggingface ? "https://huggingface.co" : "https://www.modelscope.cn"
        }
    }

    let kind: Kind
    let endpoint: WebAddress
    private let token: String?

    /// endpoint: the hub or a mirror of it. token: sent there and nowhere else.
    package init(_ kind: Kind, endpoint: String, token: String?) throws(HubError) {
        var text = endpoint
        while text.hasSuffix("/") { text.removeLast() }
        guard let address = WebAddress(text), !address.path.contains("?") else {
            throw HubError(
                "'\(printable(endpoint))' is no address of a hub; it should look like \(kind.defaultEndpoint)"
            )
        }
        if let token {
            guard token.utf8.count <= 512,
                token.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != 0x22 && $0 != 0x5C })
            else { throw HubError("\(kind.tokenVariable) holds no token: it must be printable ASCII without blanks") }
            guard address.isPrivate else {
                throw HubError(
                    "the token in \(kind.tokenVariable) would go unencrypted to \(address.origin); use https or unset it"
                )
            }
        }
        self.kind = kind
        self.endpoint = address
        self.token = token
    }

    var hasToken: Bool { token != nil }

    /// The header fields that `address` gets: the token only where the hub itself is asked.
    func headers(for address: WebAddress) -> [String] {
        guard let token, address.origin == endpoint.origin else { return [] }
        // ModelScope's own client sends its token as this cookie.
        let cookie = kind == .modelscope ? ["Cookie: m_session_id=\(token)"] : []
        return ["Authorization: Bearer \(token)"] + cookie
    }

    func listingAddress(_ repository: RepositoryName, revision: String) -> WebAddress? {
        let revision = WebAddress.encoded(revision)
        switch kind {
        case .huggingface: return address("/api/models/\(repository)/tree/\(revision)")
        case .modelscope: return address("/api/v1/models/\(repository)/repo/files?Revision=\(revision)&Recursive=false")
        }
    }

    func fileAddress(_ repository: RepositoryName, revision: String, file: String) -> WebAddress? {
        let revision = WebAddress.encoded(revision)
        let file = WebAddress.encoded(file)
        switch kind {
        case .huggingface: return address("/\(repository)/resolve/\(revision)/\(file)")
        case .modelscope: return address("/api/v1/models/\(repository)/repo?Revision=\(revision)&FilePath=\(file)")
        }
    }

    private func address(_ path: String) -> WebAddress? {
        WebAddress(endpoint.origin + (endpoint.path == "/" ? "" : endpoint.path) + path)
    }
}

/// `owner/name`, as both hubs have it.
package struct RepositoryName: CustomStringConvertible, Sendable {
    let owner: String
    package let name: String
    package var description: String { "\(owner)/\(name)" }

    package init(_ text: String) throws(HubError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts.allSatisfy(RemoteFile.isPlain) else {
            throw HubError("'\(printable(text))' is no repository; it should look like Qwen/Qwen1.5-0.5B-Chat")
        }
        owner = parts[0]
        name = parts[1]
    }
}
