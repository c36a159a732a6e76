import Testing

@testable import Roles

@Suite struct RoleSetTests {
    @Test func readsTheRolesOfTheRepository() throws {
        let set = try RoleSet(directory: "\(packageRoot)/roles")
        let sentiment = try #require(set["sentiment"])
        #expect(sentiment.system == "你是一个专注情感二分类的AI,不提供解释,不生成额外文本,只输出“正面”或“负面”。")
        #expect(sentiment.input == InputRule(maxCharacters: 128, overflow: .truncate))
        #expect(sentiment.output == .labels(["正面", "负面"], maxTokens: 12))
        #expect(sentiment.annotate == [])
        let chat = try #require(set["chat"])
        #expect(chat.system == "你是一个温暖的朋友。请用不超过60字回复。")
        #expect(chat.input == InputRule(maxCharacters: 2000, overflow: .reject))
        #expect(chat.output == .reply(maxCharacters: 60))
        #expect(chat.annotate == ["sentiment"])
        #expect(set["nobody"] == nil)
    }

    @Test func ordersByNameAndSkipsOtherFiles() throws {
        let body = "system: x\ninput: {max_characters: 1, overflow: reject}\noutput: {max_characters: 1}\n"
        let files = ["b", "a", "c"].map { (name: "\($0).yaml", bytes: Array("name: \($0)\n\(body)".utf8)) }
        try withRoleFiles(files + [(".a.yaml", [0xFF]), ("notes.txt", [0xFF])]) { directory in
            let set = try RoleSet(directory: directory)
            #expect(set.names == ["a", "b", "c"])
        }
    }

    @Test func refusesBadDirectories() throws {
        expectError("cannot open the role directory") { try RoleSet(directory: "/nonexistent/roles") }
        try withRoleFiles([]) { directory in
            expectError("no role file") { try RoleSet(directory: directory) }
        }
        let many = (0...RoleSet.maxRoles).map { (name: "r\($0).yaml", bytes: [UInt8]()) }
        try withRoleFiles(many) { directory in
            expectError("65 role files; at most 64") { try RoleSet(directory: directory) }
        }
    }

    @Test func refusesBadFiles() throws {
        try withRoleFiles([("a.yaml", [UInt8](repeating: 0x20, count: 64 * 1024 + 1))]) { directory in
            expectError("a.yaml: larger than 65536 bytes") { try RoleSet(directory: directory) }
        }
        try withRoleFiles([("a.yaml", [0x6E, 0xFF])]) { directory in
            expectError("a.yaml: not UTF-8") { try RoleSet(directory: directory) }
        }
    }

    @Test func checksAnnotationsAgainstTheSet() throws {
        func chat(_ annotate: String) -> (name: String, bytes: [UInt8]) {
            let text = """
                name: chat
                system: x
                input: {max_characters: 1, overflow: reject}
                output: {max_characters: 1}
                annotate: [\(annotate)]
                """
            return ("chat.yaml", Array(text.utf8))
        }
        try withRoleFiles([chat("mood")]) { directory in
            expectError("chat.yaml:5: 'annotate' names 'mood', which is no label role") {
                try RoleSet(directory: directory)
            }
        }
        try withRoleFiles([chat("chat")]) { directory in
            expectError("'annotate' names 'chat', which is no label role") { try RoleSet(directory: directory) }
        }
    }

    private func expectError(_ part: String, _ body: () throws -> RoleSet) {
        let error = #expect(throws: RoleError.self) { try body() }
        let text = error?.description ?? ""
        #expect(text.contains(part))
        #expect(!text.contains("\n"))
    }
}
