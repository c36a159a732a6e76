import Metrics
import Roles
import Testing

@testable import Service

@Suite struct TrainedRoleTests {
    static let files = [
        "chat": "output: { max_characters: 20 }\nannotate: [mood, topic]", "mood": "output: { labels: [a, b] }",
        "topic": "output: { labels: [c, d] }", "urgency": "output: { labels: [e, f] }",
    ]
    /// A model trained for chat, mood and one role that has no file.
    static let shared = Result {
        try withRoles(files) { try TestEngine(roles: $0, trained: ["chat", "mood", "poet"]) }
    }
    let test: TestEngine
    var engine: RoleEngine { test.engine }

    init() throws { test = try Self.shared.get() }

    func answer(_ call: Call) throws -> (status: Int?, json: JSONValue) {
        var sink = Recorder()
        MainServiceTests.service(test.state).answer(call, to: &sink)
        return (sink.status, try sink.json)
    }

    @Test func listsOfferedRolesOnly() throws {
        guard case .array(let models) = try answer(get("/v1/models")).json["data"] else {
            throw APIError.internalFault("no data")
        }
        #expect(models.map { $0["id"] } == ["chat", "mood"])
        #expect(test.metrics.roles == ["chat", "mood", ServerMetrics.otherRole])
        #expect(Set(engine.book.prefixes.keys) == ["chat", "mood"])
    }

    @Test(arguments: [
        ("/v1/classify", #"{"model":"topic","input":"x"}"#),
        ("/v1/chat/completions", #"{"model":"topic","messages":[{"role":"user","content":"x"}]}"#),
    ])
    func refusesAnUntrainedRole(path: String, body: String) throws {
        let (status, json) = try answer(post(path, body))
        #expect(status == 404)
        let error = try #require(json["error"])
        #expect(error["code"] == "role_not_trained")
        #expect(error["type"] == "invalid_request_error")
        #expect(error["param"] == "model")
        guard case .string(let message) = error["message"] else { throw APIError.internalFault("no message") }
        for part in ["'topic'", "only for chat, mood, poet", "Qwen1.5-0.5B-Chat", "--model"] {
            #expect(message.contains(part))
        }
    }

    @Test(arguments: ["nobody", "poet", "topic "])
    func otherNamesAreUnknown(name: String) throws {
        let (status, json) = try answer(post("/v1/classify", #"{"model":"\#(name)","input":"x"}"#))
        #expect(status == 404)
        #expect(json["error"]?["code"] == "model_not_found")
    }

    @Test func repliesWithoutAnUntrainedAnnotation() throws {
        let body = #"{"model":"chat","max_tokens":4,"messages":[{"role":"user","content":"x"}]}"#
        let (status, json) = try answer(post("/v1/chat/completions", body))
        #expect(status == 200)
        guard case .object(let labels) = json["labels"] else { throw APIError.internalFault("no labels") }
        #expect(labels.map(\.name) == ["mood"])
    }

    @Test func theCommandLineSaysWhy() throws {
        for action in [
            { try engine.labels(ofRole: "topic").count }, { try engine.classify(["x"], role: "topic").count },
            {
                try engine.checkReplies(role: "topic")
                return 0
            },
        ] {
            let error = #expect(throws: ServiceError.self) { try action() }
            #expect(error?.description.hasPrefix("the model was not trained for the role 'topic', only for") == true)
        }
        #expect(try engine.labels(ofRole: "mood") == ["a", "b"])
        try engine.checkReplies(role: "chat")
        #expect(throws: ServiceError.self) { try engine.labels(ofRole: "chat") }
        #expect(throws: ServiceError.self) { try engine.checkReplies(role: "mood") }
    }

    @Test func theLogSaysWhatIsLeftOut() {
        let metadata = engine.offer.logMetadata.mapValues { "\($0)" }
        #expect(
            metadata == [
                "roles": "chat mood", "roles_left_out": "topic urgency",
                "roles_left_out_reason": "the model was not trained for them", "roles_without_file": "poet",
            ]
        )
        #expect(engine.offer.leftOutAnnotations.map(\.annotation) == ["topic"])
    }

    @Test func theStatusShowsTrainedRoles() throws {
        var sink = Recorder()
        OpsService(state: test.state, workers: { (0, 0, 1) }).answer(get("/status.json"), to: &sink)
        #expect(try sink.json["model"]?["trained_roles"] == ["chat", "mood", "poet"])
        var other = Recorder()
        let state = try MainServiceTests.shared.get().state
        OpsService(state: state, workers: { (0, 0, 1) }).answer(get("/status.json"), to: &other)
        #expect(try other.json["model"]?["trained_roles"] == .null)
    }

    @Test func aReloadKeepsTheRule() throws {
        let own = try withRoles(Self.files) { try TestEngine(roles: $0, trained: ["chat", "mood", "poet"]) }
        let trained = own.engine.offer.trained
        let files = Self.files.merging(["poet": "output: { labels: [g, h] }"]) { $1 }
        try withRoles(files) { try own.engine.replaceRoles(try RoleOffer(directory: $0, trained: trained)) }
        #expect(own.engine.roles.names == ["chat", "mood", "poet"])
        #expect(throws: RoleError.self) {
            try withRoles(["urgency": "output: { labels: [e, f] }"]) { try RoleOffer(directory: $0, trained: trained) }
        }
    }
}
