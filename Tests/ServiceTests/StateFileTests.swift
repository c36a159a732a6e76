import Glibc
import Testing

@testable import Service

@Suite struct StateFileTests {
    @Test(arguments: [0, 1, 50_000, StateFile.limit])
    func readsWhatWasWritten(count: Int) throws {
        let folder = try TemporaryFolder()
        let file = StateFile(path: "\(folder.path)/state")
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try file.write(bytes)
        #expect(file.read() == bytes)
    }

    @Test func leavesAloneWhatItCannotRead() throws {
        let folder = try TemporaryFolder()
        #expect(StateFile(path: "\(folder.path)/nothing").read() == nil)
        #expect(StateFile(path: folder.path).read() == nil)
        let large = StateFile(path: "\(folder.path)/large")
        try large.write([UInt8](repeating: 0, count: StateFile.limit + 1))
        #expect(large.read() == nil)
        let pipe = "\(folder.path)/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(StateFile(path: pipe).read() == nil)
    }
}
