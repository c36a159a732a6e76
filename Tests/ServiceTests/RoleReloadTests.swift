import Glibc
import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct RoleReloadTests {
    /// Role files by name in a folder of their own.
    private func roles(_ files: [(name: String, system: String)]) throws -> RoleOffer {
        let folder = "/tmp/role-reload-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(folder, 0o700)
        defer {
            for file in files { unlink("\(folder)/\(file.name).yaml") }
            rmdir(folder)
        }
        for file in files {
            let text = """
                name: \(file.name)
                system: "\(file.system)"
                input: { max_characters: 128, overflow: truncate }
                output: { labels: [ja, nein], max_tokens: 12 }
                """
            let descriptor = open("\(folder)/\(file.name).yaml", O_CREAT | O_WRONLY, 0o600)
            _ = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            close(descriptor)
        }
        return try RoleOffer(directory: folder, trained: nil)
    }

    @Test func aFailedReloadKeepsNoPrefix() throws {
        let test = try TestEngine()
        let engine = test.engine
        try engine.pinPrefixes()
        let before = engine.offer
        let pinned = engine.scheduler.snapshot.kvBlocksPinned
        // Whatever the order: some prefixes are pinned before the one that does not fit.
        let next = try roles(
            (0..<6).map { ("r\($0)", String(repeating: "\($0)", count: 100)) } + [
                ("long", String(repeating: "x", count: 60_000))
            ]
        )
        #expect(throws: ServiceError.self) { try engine.replaceRoles(next) }
        #expect(engine.offer == before)
        #expect(engine.scheduler.snapshot.kvBlocksPinned == pinned)
    }
}
