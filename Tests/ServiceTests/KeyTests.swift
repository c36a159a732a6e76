import Glibc
import Testing

@testable import Service

@Suite struct KeyFileTests {
    private let digest = String(repeating: "0f", count: 32)

    private func parse(_ text: String) throws(ServiceError) -> [APIKey] { try KeyFile(text: text, path: "k").keys }

    @Test func readsLines() throws {
        let keys = try parse("# comment\n\nalice 60 * \(digest)\n  bob\t5 chat,sentiment \(digest.uppercased())\r\n")
        #expect(keys.map(\.name) == ["alice", "bob"])
        #expect(keys.map(\.rate) == [60, 5])
        #expect(keys[0].roles == nil)
        #expect(keys[1].roles == ["chat", "sentiment"])
        #expect(keys[0].digest == keys[1].digest)
    }

    @Test(arguments: [
        ("alice 60 *", "four fields"), ("Alice 60 * D", "a name must be"), ("alice 0 * D", "requests a minute"),
        ("alice x * D", "requests a minute"), ("alice 5 chat,,x D", "roles must be"),
        ("alice 5 * DD", "64 hexadecimal"),
        ("alice 5 * XYZ", "64 hexadecimal"), ("a 5 * D\na 5 * D", "twice"),
        ("averyveryverylongnameofakey 5 * D", "a name must be"),
    ])
    func saysWhatIsWrongAndWhere(text: String, part: String) throws {
        let error = try #require(throws: ServiceError.self) { try parse("\n" + text.replacing("D", with: digest)) }
        #expect(error.description.contains(part))
        #expect(error.description.hasPrefix(text.contains("\n") ? "k:3:" : "k:2:"))
    }

    @Test func writesWhatItReads() throws {
        let path = "/tmp/keys-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { unlink(path) }
        var file = KeyFile()
        let (secret, key) = APIKey.make(name: "alice", rate: 7, roles: ["chat"])
        try file.add(key)
        try file.add(APIKey.make(name: "bob", rate: 60, roles: nil).key)
        try file.write(to: path)
        #expect(try KeyFile(path: path) == file)
        #expect(!file.text.contains(secret))
        #expect(throws: ServiceError.self) { try file.add(key) }
        try file.revoke("alice")
        #expect(file.keys.map(\.name) == ["bob"])
        #expect(throws: ServiceError.self) { try file.revoke("alice") }
        #expect(throws: ServiceError.self) { try KeyFile(path: "\(path)-none") }
    }

    @Test func everyKeyIsAnother() {
        #expect(Set((0..<50).map { _ in APIKey.make(name: "a", rate: 1, roles: nil).secret }).count == 50)
    }
}

@Suite struct KeyRingTests {
    private let second: UInt64 = 1_000_000_000

    @Test func opensWithItsKeyAlone() throws {
        let (secret, key) = APIKey.make(name: "alice", rate: 60, roles: ["chat"])
        let (other, unlisted) = APIKey.make(name: "bob", rate: 60, roles: nil)
        let ring = KeyRing([key])
        let access = try ring.admit("Bearer \(secret)", now: 0)
        #expect(access.name == "alice")
        #expect(access.allows("chat") && !access.allows("sentiment"))
        #expect(try #require(throws: APIError.self) { try access.check("sentiment") }.status == 403)
        #expect(try ring.admit("bearer   \(secret)", now: 0).name == "alice")
        for wrong in [
            nil, "", secret, "Basic \(secret)", "Bearer", "Bearer \(other)", "Bearer \(secret)x", "Bearer x \(secret)",
        ] {
            let error = try #require(throws: APIError.self) { try ring.admit(wrong, now: 0) }
            #expect(error.status == 401)
            #expect(!error.message.contains(secret) && !error.message.contains(other))
        }
        ring.replace([unlisted])
        #expect(throws: APIError.self) { try ring.admit("Bearer \(secret)", now: 0) }
        #expect(try ring.admit("Bearer \(other)", now: 0).allows("anything"))
    }

    @Test func withoutKeysEveryoneIsLetIn() throws {
        #expect(try KeyRing(nil).admit(nil, now: 0) == .open)
        #expect(Access.open.allows("chat"))
        #expect(throws: APIError.self) { try KeyRing([]).admit(nil, now: 0) }
    }

    @Test func limitsTheRateOfEachKey() throws {
        let (secret, key) = APIKey.make(name: "alice", rate: 6, roles: nil)
        let (other, second) = APIKey.make(name: "bob", rate: 6, roles: nil)
        let ring = KeyRing([key, second])
        for _ in 0..<6 { _ = try ring.admit("Bearer \(secret)", now: 0) }
        let error = try #require(throws: APIError.self) { try ring.admit("Bearer \(secret)", now: 0) }
        #expect(error.status == 429)
        #expect(error.retryAfter == 10)
        _ = try ring.admit("Bearer \(other)", now: 0)
        #expect(throws: APIError.self) { try ring.admit("Bearer \(secret)", now: 9 * self.second) }
        _ = try ring.admit("Bearer \(secret)", now: 10 * self.second)
        // A reload does not fill it again.
        ring.replace([key])
        #expect(throws: APIError.self) { try ring.admit("Bearer \(secret)", now: 10 * self.second) }
        // Rest fills it to a minute's worth, no more.
        for _ in 0..<6 { _ = try ring.admit("Bearer \(secret)", now: 900 * self.second) }
        #expect(throws: APIError.self) { try ring.admit("Bearer \(secret)", now: 900 * self.second) }
    }
}
