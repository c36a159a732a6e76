import ModelFiles
import Testing

@testable import Roles

@Suite struct RoleOfferTests {
    /// A chat role annotated by two label roles, and a third label role.
    static let files: [(name: String, bytes: [UInt8])] = [
        file("chat", "{ max_characters: 9 }", "annotate: [mood, urgency]"), file("mood", "{ labels: [a, b] }"),
        file("urgency", "{ labels: [a, b] }"), file("topic", "{ labels: [a, b] }"),
    ]

    static func file(_ name: String, _ output: String, _ rest: String = "") -> (name: String, bytes: [UInt8]) {
        let text =
            "name: \(name)\nsystem: x\ninput: {max_characters: 9, overflow: reject}\noutput: \(output)\n\(rest)\n"
        return ("\(name).yaml", Array(text.utf8))
    }

    @Test func offersAllRolesOfAModelThatNamesNone() throws {
        try withRoleFiles(Self.files) { directory in
            let offer = try RoleOffer(directory: directory, trained: nil)
            #expect(offer.roles.names == ["chat", "mood", "topic", "urgency"])
            #expect(offer.leftOut == [] && offer.withoutFile == [] && offer.leftOutAnnotations == [])
        }
    }

    @Test func offersTrainedRolesOnly() throws {
        try withRoleFiles(Self.files) { directory in
            let offer = try RoleOffer(directory: directory, trained: TrainedRoles(["chat", "mood", "poet", "chat"]))
            #expect(offer.roles.names == ["chat", "mood"])
            #expect(offer.roles["chat"]?.annotate == ["mood"])
            #expect(offer.leftOut == ["topic", "urgency"])
            #expect(offer.withoutFile == ["poet"])
            #expect(offer.leftOutAnnotations == [.init(role: "chat", annotation: "urgency")])
        }
    }

    @Test(arguments: [[], ["poet"]])
    func refusesToOfferNothing(trained: [String]) throws {
        try withRoleFiles(Self.files) { directory in
            let error = #expect(throws: RoleError.self) {
                try RoleOffer(directory: directory, trained: TrainedRoles(trained))
            }
            let text = error?.description ?? ""
            #expect(text.hasPrefix(directory) && text.contains("only for \(trained.first ?? "none");"))
            #expect(text.contains("--model") && !text.contains("\n"))
        }
    }

    @Test func aFileThatIsLeftOutMustStillBeGood() throws {
        try withRoleFiles(Self.files + [("bad.yaml", Array("name: bad".utf8))]) { directory in
            #expect(throws: RoleError.self) { try RoleOffer(directory: directory, trained: TrainedRoles(["chat"])) }
        }
    }

    @Test(
        arguments: [
            (nil, nil), (.strings(["b", "a", "b"]), ["b", "a"]), (.strings([]), []),
            (.strings((0..<64).map { "r\($0)" }), (0..<64).map { "r\($0)" }),
        ] as [(MetadataValue?, [String]?)]
    )
    func readsMetadata(value: MetadataValue?, names: [String]?) throws {
        try withModel(value) { file in
            let trained = try TrainedRoles(of: file)
            #expect(trained?.names == names)
        }
    }

    @Test(
        arguments: [
            .string("chat"), .uint32(1), .array(MetadataArray([1, 2] as [Int32])), .strings((0..<65).map { "r\($0)" }),
            .strings(["chat", ""]), .strings(["Chat"]), .strings(["../x"]), .strings(["a\nb"]),
            .strings([String(repeating: "a", count: 33)]), .array(MetadataArray([[0xFF, 0xFE]])),
        ] as [MetadataValue]
    )
    func refusesBadMetadata(value: MetadataValue) throws {
        try withModel(value) { file in
            let error = #expect(throws: RoleError.self) { try TrainedRoles(of: file) }
            let text = error?.description ?? ""
            #expect(text.contains(ModelFile.rolesKey) && !text.contains("\n"))
        }
    }

    private func withModel(_ roles: MetadataValue?, _ body: (ModelFile) throws -> Void) throws {
        try withRoleFiles([("x.gguf", [])]) { directory in
            var writer = GGUFWriter()
            writer.add("general.architecture", .string("qwen2"))
            if let roles { writer.add(ModelFile.rolesKey, roles) }
            try writer.write(to: "\(directory)/x.gguf")
            try body(try ModelFile.open("\(directory)/x.gguf"))
        }
    }
}
