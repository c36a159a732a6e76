import ModelFiles
import Testing

@Suite struct GGUFWriterTests {
    @Test(arguments: [32, 1, 4096])
    func whatIsWrittenIsRead(alignment: Int) throws {
        let folder = try TemporaryFolder()
        let original = try ModelFile.open(Fixtures.quants)
        var writer = GGUFWriter(alignment: alignment)
        for key in original.metadataKeys { writer.add(key, try #require(original.metadata[key])) }
        let nested = try #require(original.metadata["test.ints"]?.array)
        writer.add("own.floats", .array(MetadataArray([Float(0.5), -2])))
        for name in original.tensorNames {
            let view = try original.tensor(name)
            writer.addTensor(name, view.type, view.shape) { sink throws(ModelFileError) in
                // In two pieces, as a streaming source would.
                try sink(UnsafeRawBufferPointer(rebasing: view.bytes[..<10]))
                try sink(UnsafeRawBufferPointer(rebasing: view.bytes[10...]))
            }
        }
        let path = folder.file("copy.gguf")
        try writer.write(to: path)
        let copy = try ModelFile.open(path)
        for (key, value) in original.metadata { #expect(copy.metadata[key] == value, "\(key)") }
        #expect(copy.metadata["own.floats"]?.doubles == [0.5, -2])
        #expect(copy.metadata["test.ints"]?.array == nested)
        #expect(copy.tensorNames == original.tensorNames)
        for (name, view) in original.tensors {
            let copied = try copy.tensor(name)
            #expect(copied.type == view.type && copied.shape == view.shape && copied.array == view.array, "\(name)")
            #expect(Int(bitPattern: copied.bytes.baseAddress) % alignment == 0)
        }
        #expect(folder.names == ["copy.gguf"])
    }

    @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("old", to: "model.gguf")
        var writer = GGUFWriter()
        writer.addTensor("t", .f32, [4], values: [1, 2, 3])
        #expect(message { try writer.write(to: path) }.contains("tensor 't': 12 bytes were produced for a size of 16"))
        #expect(try readFile(path) == Array("old".utf8))
        #expect(folder.names == ["model.gguf"])
    }

    @Test func refusesWhatCannotBeStored() throws {
        let folder = try TemporaryFolder()
        func problem(_ build: (inout GGUFWriter) -> Void) -> String {
            var writer = GGUFWriter()
            build(&writer)
            return message { try writer.write(to: folder.file("x.gguf")) }
        }
        #expect(problem { $0.addTensor("t", .q4_0, [2, 48], values: []) }.contains("multiple of 32"))
        #expect(problem { $0.addTensor("t", .f32, [0], values: []) }.contains("cannot be stored"))
        #expect(problem { $0.addTensor("t", .q8_0, [32], values: [Float](repeating: .nan, count: 32)) }.contains("NaN"))
        #expect(
            problem {
                $0.add("k", .bool(true)); $0.add("k", .bool(true))
            }.contains("key 'k': was added twice")
        )
        let twice = problem {
            $0.addTensor("t", .f32, [1], values: [1])
            $0.addTensor("t", .f32, [1], values: [1])
        }
        #expect(twice.contains("tensor 't': was added twice"))
        let missing = message { try GGUFWriter().write(to: folder.file("no/such/folder.gguf")) }
        #expect(missing.contains("cannot create"))
        #expect(message { try GGUFWriter(alignment: 24).write(to: folder.file("x.gguf")) }.contains("power of two"))
        #expect(folder.names.isEmpty)
    }
}
