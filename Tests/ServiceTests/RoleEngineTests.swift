import Glibc
import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct RoleEngineTests {
    let test: TestEngine
    var engine: RoleEngine { test.engine }

    init() throws { test = try TestEngine() }

    /// The project's sentiment role alone, under another name.
    func otherRoles() throws -> RoleOffer {
        let directory = "/tmp/service-roles-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(directory, 0o700)
        let text =
            "name: mood\nsystem: |\n  judge\ninput: { max_characters: 9, overflow: reject }\noutput: { labels: [a, b] }\n"
        let file = fopen("\(directory)/mood.yaml", "w")
        fputs(text, file)
        fclose(file)
        defer {
            unlink("\(directory)/mood.yaml")
            rmdir(directory)
        }
        return try RoleOffer(directory: directory, trained: nil)
    }

    @Test func pinnedPrefixesChangeCostAndNothingElse() throws {
        let before = try engine.classify(["好"], role: "sentiment")[0]
        try engine.pinPrefixes()
        let after = try engine.classify(["好"], role: "sentiment")[0]
        #expect(before.result.cachedTokens == 0)
        #expect(after.result.cachedTokens > 0)
        #expect(before.probabilities.map(\.probability) == after.probabilities.map(\.probability))
    }

    @Test func newRolesReplaceOldOnesAndTheirPrefixes() throws {
        try engine.pinPrefixes()
        let pinned = engine.scheduler.snapshot.kvBlocksPinned
        try engine.replaceRoles(try otherRoles())
        #expect(engine.roles.names == ["mood"])
        #expect(engine.scheduler.snapshot.kvBlocksPinned < pinned)
        #expect(try ["a", "b"].contains(engine.classify(["x"], role: "mood")[0].label))
        #expect(throws: ServiceError.self) { try engine.classify(["x"], role: "sentiment") }
    }

    @Test func batchesMoreTextsThanTheBatchHolds() throws {
        let texts = (0..<11).map { "第\($0)次" }
        let together = try engine.classify(texts, role: "sentiment")
        let alone = try texts.map { try engine.classify([$0], role: "sentiment")[0] }
        #expect(together.map(\.label) == alone.map(\.label))
        #expect(together.map(\.margin) == alone.map(\.margin))
    }

    @Test func repliesPieceByPiece() throws {
        var pieces = ""
        let reply = try engine.reply(
            to: [Message(author: .user, content: "你好")],
            role: "chat",
            maxTokens: 20
        ) { pieces += $0 }
        #expect(pieces == reply.text)
        #expect(reply.completionTokens == 20)
    }

    @Test func sayWhichRoleDoesWhat() {
        #expect(throws: ServiceError.self) { try engine.classify(["x"], role: "chat") }
        #expect(throws: ServiceError.self) {
            try engine.reply(to: [Message(author: .user, content: "x")], role: "sentiment") { _ in }
        }
    }

    @Test func theCanarySaysTheSameEachTime() throws {
        let findings = try Canary(engine: engine).run()
        #expect(findings.description.contains("token ") && !findings.bits.isEmpty)
        #expect(try Canary(engine: engine).run() == findings)
    }
}
