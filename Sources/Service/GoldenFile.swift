/// The record on disk; one, of the model that runs.
struct GoldenFile {
    static let name = "golden.json"
    private let file: StateFile

    init(folder: String) { file = StateFile(path: "\(folder)/\(Self.name)") }

    var path: String { file.path }

    /// nil if there is none, or none that can be read.
    func read() -> Golden? {
        file.read().flatMap { try? JSONParser.parse($0) }.flatMap { Golden($0) }
    }

    func write(_ golden: Golden) throws(ServiceError) { try file.write(golden.json.encoded) }
}
