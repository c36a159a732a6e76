import FoundationEssentials

/// The files in a repository's root folder, as the hubs' interfaces list them.
enum Listing {
    static let maxBytes = 16 << 20
    static let maxPages = 20

    /// A page of `/api/models/{repository}/tree/{revision}`.
    private struct HuggingFaceEntry: Decodable {
        struct LFS: Decodable {
            let oid: String
            let size: Int
        }
        let type: String
        let path: String
        let oid: String?
        let size: Int?
        let lfs: LFS?
    }

    private struct ModelScopePage: Decodable {
        struct Files: Decodable {
            let files: [Entry]?
            enum CodingKeys: String, CodingKey { case files = "Files" }
        }
        struct Entry: Decodable {
            let path: String
            let type: String
            let size: Int?
            let sha256: String?
            enum CodingKeys: String, CodingKey {
                case path = "Path"
                case type = "Type"
                case size = "Size"
                case sha256 = "Sha256"
            }
        }
        let success: Bool?
        let message: String?
        let data: Files?
        enum CodingKeys: String, CodingKey {
            case success = "Success"
            case message = "Message"
            case data = "Data"
        }
    }

    /// Files with names that cannot stand in a folder of ours, or with a size below 0, are left out: nothing needs them.
    static func files(_ json: [UInt8], of kind: Hub.Kind) throws(HubError) -> [RemoteFile] {
        var files: [RemoteFile] = []
        do {
            switch kind {
            case .huggingface:
                for entry in try JSONDecoder().decode([HuggingFaceEntry].self, from: Data(json))
                where entry.type == "file" {
                    let digest = FileDigest(hex: entry.lfs?.oid ?? entry.oid ?? "")
                    files.append(
                        RemoteFile(name: entry.path, size: entry.lfs?.size ?? entry.size ?? -1, digest: digest)
                    )
                }
            case .modelscope:
                let page = try JSONDecoder().decode(ModelScopePage.self, from: Data(json))
                guard page.success != false else {
                    throw HubError("the hub says: \(printable(page.message ?? "no such repository or revision"))")
                }
                for entry in page.data?.files ?? [] where entry.type == "blob" {
                    let digest = FileDigest(hex: entry.sha256 ?? "")
                    files.append(RemoteFile(name: entry.path, size: entry.size ?? -1, digest: digest))
                }
            }
        } catch let error as HubError {
            throw error
        } catch {
            throw HubError("the list of files is not what a \(kind.rawValue) hub sends; is the mirror's address right?")
        }
        return files.filter { RemoteFile.isPlain($0.name) && $0.size >= 0 }
    }
}
