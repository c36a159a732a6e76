import Roles
import Scheduling
import Testing

@testable import Service

@Suite struct ConversationOwnerTests {
    private let roles: RoleSet

    init() throws { roles = try RoleSet(directory: "\(packageRoot)/roles") }

    @Test func aSaltGoesBeforeTheAddress() {
        #expect(ConversationOwner(salt: "s", address: "127.0.0.1") == .salt("s"))
        #expect(ConversationOwner(salt: nil, address: "127.0.0.1") == .address("127.0.0.1"))
        #expect(ConversationOwner(salt: nil, address: "") == nil)
        let owners = [nil, "alice", "bob"].flatMap { key in
            [
                ConversationOwner(salt: "s", address: "a", key: key),
                ConversationOwner(salt: nil, address: "a", key: key),
            ]
        }
        for (index, owner) in owners.enumerated() { #expect(!owners[..<index].contains(owner)) }
        #expect(ConversationOwner(salt: nil, address: nil) == nil)
    }

    @Test func everyOwnerAndRoleHasASpaceOfItsOwn() throws {
        let owners: [ConversationOwner] = [.salt("a"), .salt("b"), .address("a"), .address("b"), .terminal]
        let spaces = owners.flatMap { owner in roles.roles.map { owner.space(of: $0) } }
        #expect(!spaces.contains(nil))
        #expect(Set(spaces).count == owners.count * roles.roles.count)
        #expect(roles.roles.count > 1)
    }

    @Test func theLongestSaltFitsAndNoAddressOverflows() throws {
        let role = try #require(roles.roles.max { $0.name.count < $1.name.count })
        #expect(ConversationOwner.salt(String(repeating: "x", count: 64)).space(of: role) != nil)
        #expect(ConversationOwner.address(String(repeating: "x", count: 200)).space(of: role) == nil)
    }
}
