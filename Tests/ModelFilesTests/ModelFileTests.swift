import Glibc
import ModelFiles
import Testing

@Suite struct ModelFileTests {
    @Test func refusesWhatIsNoRegularFile() throws {
        let folder = try TemporaryFolder()
        #expect(message { _ = try ModelFile.open(folder.file("none")) }.contains("No such file"))
        let empty = try folder.write("", to: "empty.gguf")
        #expect(message { _ = try ModelFile.open(empty) }.contains("is empty"))
        let fifo = folder.file("fifo")
        try #require(mkfifo(fifo, 0o600) == 0)
        #expect(message { _ = try ModelFile.open(fifo) }.contains("not a regular file"))
        #expect(message { _ = try ModelFile.open("/dev/zero") }.contains("not a regular file"))
    }

    @Test(arguments: [0, 1, 3])
    func takesWholeModelsAlone(parts: UInt16) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.add("general.architecture", .string("qwen2"))
        writer.add("split.count", .uint16(parts))
        let path = folder.file("x.gguf")
        try writer.write(to: path)
        _ = try ModelFile.open(path, anyArchitecture: true)
        if parts > 1 {
            let reason = "key 'split.count': is \(parts): this is one part of a model"
            #expect(message { _ = try ModelFile.open(path) }.contains(reason))
        } else {
            _ = try ModelFile.open(path)
        }
    }

    @Test func aTableOutlivesItsFile() throws {
        var strings: StringTable?
        do {
            let file = try ModelFile.open(Fixtures.quants)
            strings = file.metadata["test.strings"]?.strings
        }
        #expect(strings?[2] == Array("负面".utf8))
    }

    @Test func releasedPagesReadTheSame() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        let values = (0..<100_000).map { Float($0) }
        writer.addTensor("t", .f32, [100, 1000], values: values)
        let path = folder.file("x.gguf")
        try writer.write(to: path)
        let file = try ModelFile.open(path)
        let view = try file.tensor("t")
        #expect(view.bytes.bindMemory(to: Float.self).elementsEqual(values))
        #expect(try residentKilobytes(of: path) >= 390)
        file.releasePages(of: view)
        #expect(try residentKilobytes(of: path) < 20)
        #expect(view.bytes.bindMemory(to: Float.self).elementsEqual(values))
    }

    @Test func releasesOnlyItsOwnPages() throws {
        let file = try ModelFile.open(Fixtures.quants)
        let own = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 4096)
        defer { own.deallocate() }
        own.initializeMemory(as: UInt8.self, repeating: 7)
        let foreign = TensorView(name: "f", type: .f32, shape: [1 << 14], bytes: UnsafeRawBufferPointer(own))
        file.releasePages(of: foreign)
        #expect(own.allSatisfy { $0 == 7 })
    }

    /// What the kernel counts as resident of the mapping of `path`.
    private func residentKilobytes(of path: String) throws -> Int {
        let lines = String(decoding: try readFile("/proc/self/smaps"), as: UTF8.self).split(separator: "\n")
        let start = try #require(lines.firstIndex { $0.hasSuffix(path) })
        let line = try #require(lines[start...].first { $0.hasPrefix("Rss:") })
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }
}
