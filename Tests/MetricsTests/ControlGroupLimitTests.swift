import Glibc
import Testing

@testable import Metrics

@Suite struct ControlGroupLimitTests {
    @Test func isTheLowestOfItsOwnAndThoseAbove() throws {
        let root = try Folder(["memory.max": "max\n", "a/memory.max": "4096\n", "a/b/memory.max": "8192\n"])
        #expect(try find("0::/a/b\n", root) == ControlGroupLimit(bytes: 4096, path: "\(root.path)/a/memory.max"))
        #expect(try find("0::/\n", root) == nil)
    }

    @Test func isFoundWhereOnlyTheRootOfAContainerIsThere() throws {
        let root = try Folder(["memory.max": "5000\n"])
        #expect(try find("0::/outside/name\n", root)?.bytes == 5000)
    }

    @Test func readsVersionOneToo() throws {
        let root = try Folder([
            "memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/x/memory.limit_in_bytes": "7000\n",
        ])
        #expect(try find("9:name=systemd:/x\n4:memory:/x\n1:cpu:/\n", root)?.bytes == 7000)
        #expect(try find("4:memory:/\n", root) == nil)
        #expect(try find("4:cpu,memory:/x\n", root)?.bytes == 7000)
    }

    @Test func isNoneWhereNothingCanBeRead() throws {
        let root = try Folder(["memory.max": "no number"])
        #expect(try find("0::/\n", root) == nil)
        #expect(try find("nonsense\n\n::", root) == nil)
        #expect(ControlGroupLimit.find(membership: "/nowhere", root: "/nowhere") == nil)
    }

    private func find(_ membership: String, _ root: Folder) throws -> ControlGroupLimit? {
        try root.write("membership", membership)
        return .find(membership: "\(root.path)/membership", root: root.path)
    }
}

/// A folder that ends with its test.
private final class Folder {
    let path: String

    init(_ files: [String: String]) throws {
        var template = Array("/tmp/metrics-tests-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        for (name, text) in files { try write(name, text) }
    }

    func write(_ name: String, _ text: String) throws {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            mkdir(folder, 0o700)
        }
        let file = try #require(fopen("\(path)/\(name)", "w"))
        fputs(text, file)
        fclose(file)
    }

    deinit { system("rm -r '\(path)'") }
}
