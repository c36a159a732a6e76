import Glibc
import Testing

@testable import Service

@Suite struct GoldenTests {
    private let golden = Golden(
        model: "m",
        layout: "l",
        program: "p avx2",
        canary: "1:a 2:b",
        parts: ["a": "1", "b": "2", "c": "3", "d": "4"],
        time: "2026-01-01T00:00:00.000Z"
    )

    private func changed(_ change: (inout Golden) -> Void) -> Golden {
        var other = golden
        change(&other)
        return other
    }

    @Test func tellsDamageFromAnotherModel() {
        #expect(golden.compare(changed { $0.time = "later" }) == .same)
        #expect(golden.compare(changed { $0.parts["c"] = "0" }) == .damaged(["c"]))
        #expect(
            golden.compare(
                changed {
                    $0.parts["c"] = "0"; $0.parts["a"] = "0"
                }
            ) == .damaged(["a", "c"])
        )
        #expect(golden.compare(changed { for name in ["a", "b", "c"] { $0.parts[name] = "0" } }) == .otherModel)
        #expect(golden.compare(changed { $0.layout = "other" }) == .otherModel)
        #expect(golden.compare(changed { $0.parts["e"] = "5" }) == .otherModel)
        #expect(golden.compare(changed { $0.canary = "1:b 2:b" }) == .otherBits)
        #expect(
            golden.compare(
                changed {
                    $0.program = "p neon"; $0.canary = "1:b 2:b"
                }
            ) == .otherProgram
        )
        #expect(
            golden.compare(
                changed {
                    $0.program = "q avx2"; $0.parts["c"] = "0"
                }
            ) == .damaged(["c"])
        )
    }

    @Test func isKeptOnDisk() throws {
        let folder = "/tmp/golden-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        mkdir(folder, 0o700)
        let file = GoldenFile(folder: folder)
        defer {
            unlink(file.path)
            rmdir(folder)
        }
        #expect(file.read() == nil)
        try file.write(golden)
        #expect(file.read() == golden)
        try file.write(changed { $0.canary = "" })
        #expect(file.read()?.canary == "")
        #expect(access("\(file.path).new", F_OK) != 0)
        truncate(file.path, 20)
        #expect(file.read() == nil)
        #expect(throws: ServiceError.self) { try GoldenFile(folder: "\(folder)/none").write(golden) }
    }
}
