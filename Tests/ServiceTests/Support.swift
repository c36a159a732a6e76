import FoundationEssentials
import Glibc
import Logging
import Metrics
import ModelFiles
import Roles
import Scheduling
import Synchronization
import Testing

@testable import Service

let packageRoot = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")

/// Takes a response apart for tests; may play a client that leaves or reads nothing more.
struct Recorder: ResponseSink, ~Copyable {
    private(set) var status: Int?
    private(set) var headers: [String: String] = [:]
    private(set) var text = ""
    private(set) var writes: [String] = []
    /// After so many writes the client is gone.
    var leavesAfter = Int.max
    var isGone: () -> Bool = { false }
    /// Gets the action for the client's going.
    var onWatch: ((@escaping @Sendable () -> Void) -> Void)?

    var hasHead: Bool { status != nil }

    mutating func writeHead(status: Int, headers: [(name: String, value: String)]) {
        self.status = status
        self.headers = Dictionary(headers.map { ($0.name, $0.value) }) { first, _ in first }
    }

    mutating func write(_ bytes: [UInt8]) {
        writes.append(String(decoding: bytes, as: UTF8.self))
        text += writes.last ?? ""
    }

    mutating func flush() -> Bool { !isClientGone() }
    mutating func finish() -> Bool { !isClientGone() }
    func isClientGone() -> Bool { writes.count >= leavesAfter || isGone() }

    func whenClientGone(_ action: @escaping @Sendable () -> Void) { onWatch?(action) }

    var json: JSONValue {
        get throws { try JSONParser.parse(Array(text.utf8)) }
    }

    /// The data of each event.
    var events: [String] {
        text.split(separator: "\n\n").filter { $0.hasPrefix("data: ") }.map { String($0.dropFirst(6)) }
    }
}

/// A small model with random weights whose tokens are single bytes, and roles: the project's own unless others are given.
final class TestEngine: Sendable {
    let engine: RoleEngine
    let metrics: ServerMetrics
    let state: ServiceState

    /// - Parameter trained: the roles that the model's file names.
    init(
        roles directory: String = "\(packageRoot)/roles",
        trained: [String]? = nil,
        queueLimit: Int = 8,
        maxSequences: Int = 4,
        labelSequences: Int = 2
    ) throws {
        let path = "/tmp/service-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).gguf"
        defer { unlink(path) }
        try Synthesizer.synthesize(
            ModelShape.tiny.dimensions(tokenCount: 259),
            name: "tiny",
            type: .f32,
            seed: 7,
            tokenizer: Self.tokenizer + (trained.map { [(ModelFile.rolesKey, .strings($0))] } ?? []),
            to: path
        )
        let file = try ModelFile.open(path)
        let offer = try RoleOffer(directory: directory, trained: try TrainedRoles(of: file))
        metrics = ServerMetrics(roles: offer.roles.names, fixedReplies: offer.fixedReplyLabels, build: [])
        var options = SchedulerOptions()
        options.threads = 1
        options.queueLimit = queueLimit
        options.maxSequences = maxSequences
        options.labelSequences = labelSequences
        engine = try RoleEngine(file: file, offer: offer, options: options, metrics: metrics)
        try engine.start()
        state = ServiceState(metrics: metrics)
        state.becomeReady(engine)
    }

    deinit { engine.scheduler.stop() }

    /// GPT-2's byte alphabet and the three control tokens.
    static var tokenizer: [(String, MetadataValue)] {
        var shifted: UInt32 = 0x100
        var tokens: [[UInt8]] = (0..<256).map { (byte: UInt32) in
            var scalar = byte
            if !((0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || byte >= 0xae) {
                scalar = shifted
                shifted += 1
            }
            return Unicode.Scalar(scalar).map { Array(String(Character($0)).utf8) } ?? []
        }
        tokens += ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map { Array($0.utf8) }
        let types = [Int32](repeating: 1, count: 256) + [3, 3, 3]
        return [
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("qwen2")),
            ("tokenizer.ggml.tokens", .array(MetadataArray(tokens))),
            ("tokenizer.ggml.token_type", .array(MetadataArray(types))),
            ("tokenizer.ggml.merges", .array(MetadataArray([[UInt8]]()))),
        ]
    }
}

/// A directory of role files that is gone when `body` returns. Each text follows the lines of name, system and input.
func withRoles<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    let folder = "/tmp/service-roles-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    mkdir(folder, 0o700)
    defer {
        for name in files.keys { unlink("\(folder)/\(name).yaml") }
        rmdir(folder)
    }
    for (name, rest) in files {
        let text = "name: \(name)\nsystem: s\ninput: { max_characters: 20, overflow: reject }\n\(rest)\n"
        guard let file = fopen("\(folder)/\(name).yaml", "w") else { throw ServiceError("no file") }
        fputs(text, file)
        fclose(file)
    }
    return try body(folder)
}

func post(_ path: String, _ body: String) -> Call {
    Call(method: "POST", path: path, id: "test-request", body: .success(Array(body.utf8)))
}

func get(_ path: String) -> Call { Call(method: "GET", path: path, id: "test-request", body: .success([])) }

/// What was logged, in order.
final class RecordedLog: Sendable {
    let events = Mutex<[LogEvent]>([])
}

struct RecordingHandler: LogHandler {
    let log: RecordedLog
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(log: RecordedLog) { self.log = log }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { log.events.withLock { $0.append(event) } }
}

/// A folder that goes with its owner.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/service-test-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
