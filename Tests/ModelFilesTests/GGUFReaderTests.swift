import ModelFiles
import Testing

@Suite struct GGUFReaderTests {
    /// What the PyPI package gguf wrote.
    @Test func readsEveryMetadataType() throws {
        let file = try ModelFile.open(Fixtures.quants)
        let expected: [(String, MetadataValue)] = [
            ("general.architecture", .string("qwen2")),
            ("test.uint8", .uint8(200)), ("test.int8", .int8(-100)),
            ("test.uint16", .uint16(60_000)), ("test.int16", .int16(-30_000)),
            ("test.uint32", .uint32(4_000_000_000)), ("test.int32", .int32(-2_000_000_000)),
            ("test.float32", .float32(0.1)), ("test.bool", .bool(true)), ("test.string", .string("正面 🙂")),
            ("test.uint64", .uint64(.max)), ("test.int64", .int64(-(1 << 62))), ("test.float64", .float64(0.1)),
        ]
        for (key, value) in expected { #expect(file.metadata[key] == value, "\(key)") }
        #expect(file.metadata["test.uint64"]?.int == nil)
        #expect(file.metadata["test.int64"]?.int == -(1 << 62))
        #expect(file.metadata["test.strings"]?.strings == StringTable(["", "a", "负面"].map { Array($0.utf8) }))
        #expect(file.metadata["test.ints"]?.ints == [1, -2, 3])
        #expect(file.metadata["test.floats"]?.doubles == [0.5, -0.25])
        #expect(file.metadata["test.bools"]?.array?.element(1) == .bool(false))
        #expect(file.metadata["test.bools"]?.array?.element(3) == nil)
        #expect(file.metadataKeys.count == 17)
        #expect(file.tensorNames.count == 9 && file.tensorNames.first == "source")
    }

    // MARK: Malformed files, byte by byte

    /// A small file with every kind of part, its bytes, and where the tensors' data begins.
    private static func sample(in folder: TemporaryFolder) throws -> (bytes: [UInt8], dataStart: Int) {
        var writer = GGUFWriter()
        writer.add("general.architecture", .string("qwen2"))
        writer.add("general.alignment", .uint32(32))
        writer.add("words", .strings(["ab", "", "正面"]))
        writer.add("numbers", .array(MetadataArray([Int32(1), -2])))
        writer.add("flag", .bool(true))
        writer.addTensor("a", .f32, [2, 3], values: [1, 2, 3, 4, 5, 6])
        writer.addTensor("b", .q8_0, [2, 32], values: (0..<64).map { Float($0) })
        let path = folder.file("sample.gguf")
        try writer.write(to: path)
        let bytes = try readFile(path)
        return (bytes, bytes.count - 32 - 96)
    }

    /// Reads everything that a file promises, so that a wrong range would show.
    private static func touch(_ file: ModelFile) -> Int {
        var sum = 0
        for view in file.tensors.values { for byte in view.bytes { sum &+= Int(byte) } }
        for value in file.metadata.values {
            guard let array = value.array else { continue }
            for index in 0..<array.count where array.element(index) != nil { sum &+= 1 }
        }
        return sum
    }

    @Test func everyTruncationIsAnError() throws {
        let folder = try TemporaryFolder()
        let (bytes, _) = try Self.sample(in: folder)
        let needed = bytes.count - (96 - 68)  // only the padding behind the last tensor may be missing
        for length in 0..<bytes.count {
            let path = try folder.write(Array(bytes[..<length]), to: "cut.gguf")
            if length >= needed {
                #expect(throws: Never.self) { try ModelFile.open(path) }
            } else {
                let text = message { _ = try ModelFile.open(path) }
                #expect(text.hasPrefix(path), "length \(length)")
            }
        }
    }

    @Test func noChangedByteCrashes() throws {
        let folder = try TemporaryFolder()
        let (bytes, dataStart) = try Self.sample(in: folder)
        var errors = 0
        for index in 0..<dataStart {
            for flip: UInt8 in [0xFF, 0x01, 0x80, bytes[index], 0x7F] where flip != 0 {
                var changed = bytes
                changed[index] ^= flip
                let path = try folder.write(changed, to: "changed.gguf")
                do throws(ModelFileError) {
                    _ = Self.touch(try ModelFile.open(path, anyArchitecture: true))
                } catch {
                    errors += 1
                    #expect(error.path == path)
                }
            }
        }
        #expect(errors > dataStart)
    }

    // MARK: Malformed files, one by one

    private struct Parts {
        var version: UInt32 = 3
        var tensorCount: UInt64 = 0
        var metadata: [[UInt8]] = []
        var tensors: [[UInt8]] = []
        var data: [UInt8] = []

        static func string(_ text: String) -> [UInt8] { littleEndian(UInt64(text.utf8.count)) + Array(text.utf8) }

        static func tensor(_ name: String, _ dimensions: [UInt64], type: UInt32 = 0, offset: UInt64 = 0) -> [UInt8] {
            string(name) + littleEndian(UInt32(dimensions.count)) + dimensions.flatMap { littleEndian($0) }
                + littleEndian(type) + littleEndian(offset)
        }

        var bytes: [UInt8] {
            var head =
                Array("GGUF".utf8) + littleEndian(version) + littleEndian(max(tensorCount, UInt64(tensors.count)))
            head += littleEndian(UInt64(metadata.count)) + metadata.joined() + tensors.joined()
            return head + [UInt8](repeating: 0, count: (32 - head.count % 32) % 32) + data
        }
    }

    private func problem(_ parts: Parts) throws -> String {
        let folder = try TemporaryFolder()
        let path = try folder.write(parts.bytes, to: "bad.gguf")
        return message { _ = try ModelFile.open(path) }
    }

    @Test func refusesOtherVersionsAndFormats() throws {
        #expect(try problem(Parts(version: 2)).contains("version 2"))
        #expect(try problem(Parts(version: UInt32(3).byteSwapped)).contains("big-endian"))
        let folder = try TemporaryFolder()
        let path = try folder.write("PK not a model at all", to: "x.gguf")
        #expect(message { _ = try ModelFile.open(path) }.contains("not a GGUF file"))
    }

    @Test func refusesAbsurdCounts() throws {
        #expect(try problem(Parts(tensorCount: .max)).contains("above the limit"))
        #expect(try problem(Parts(tensorCount: 90_000)).contains("more than the"))
        let array = Parts.string("k") + littleEndian(UInt32(9)) + littleEndian(UInt32(8))
        #expect(try problem(Parts(metadata: [array + littleEndian(UInt64.max)])).contains("key 'k'"))
        #expect(try problem(Parts(metadata: [array + littleEndian(UInt64(1 << 20))])).contains("more than the"))
        #expect(
            try problem(Parts(metadata: [littleEndian(UInt64(70_000)) + littleEndian(UInt64(0))])).contains(
                "above the limit"
            )
        )
    }

    @Test func refusesDeepNesting() throws {
        var value = Parts.string("k") + littleEndian(UInt32(9))
        for _ in 0..<5 { value += littleEndian(UInt32(9)) + littleEndian(UInt64(1)) }
        value += littleEndian(UInt32(0)) + littleEndian(UInt64(1)) + [1]
        #expect(try problem(Parts(metadata: [value])).contains("deeper than 4"))
    }

    @Test func refusesDuplicates() throws {
        let flag = Parts.string("flag") + littleEndian(UInt32(7)) + [1]
        #expect(try problem(Parts(metadata: [flag, flag])).contains("key 'flag': stands twice"))
        let tensor = Parts.tensor("t", [8])
        let data = [UInt8](repeating: 0, count: 64)
        #expect(try problem(Parts(tensors: [tensor, tensor], data: data)).contains("tensor 't': stands twice"))
    }

    @Test func refusesBadTensors() throws {
        let data = [UInt8](repeating: 0, count: 64)
        func problem(_ tensors: [UInt8]...) throws -> String { try self.problem(Parts(tensors: tensors, data: data)) }
        #expect(try problem(Parts.tensor("t", [])).contains("0 dimensions"))
        #expect(try problem(Parts.tensor("t", [1, 1, 1, 1, 1])).contains("5 dimensions"))
        #expect(try problem(Parts.tensor("t", [0])).contains("dimension of 0"))
        #expect(try problem(Parts.tensor("t", [1 << 63])).contains("dimension of"))
        #expect(try problem(Parts.tensor("t", [1 << 40, 1 << 40])).contains("impossible"))
        #expect(try problem(Parts.tensor("t", [31], type: 8)).contains("blocks of 32"))
        #expect(try problem(Parts.tensor("t", [255], type: 14)).contains("impossible for q6_k (whole blocks of 256"))
        let unknown = try problem(Parts.tensor("blk.0.attn_q.weight", [256], type: 16))
        #expect(unknown.contains("tensor 'blk.0.attn_q.weight': has ggml type 16 (iq2_xxs), which is not supported"))
        #expect(unknown.contains("take a file of the model in another type, such as Q8_0 or Q4_K_M"))
        #expect(try problem(Parts.tensor("t", [8], type: 99)).contains("has ggml type 99, which"))
        #expect(try problem(Parts.tensor("t", [8], offset: 8)).contains("multiple of the alignment"))
        #expect(try problem(Parts.tensor("t", [17])).contains("ends beyond the file"))
        #expect(try problem(Parts.tensor("t", [8], offset: 64)).contains("ends beyond the file"))
        #expect(try problem(Parts.tensor("t", [8], offset: UInt64(Int.max) / 32 * 32)).contains("ends beyond the file"))
        let overlapping = try problem(Parts.tensor("first", [16]), Parts.tensor("second", [8], offset: 32))
        #expect(overlapping.contains("tensor 'second': overlaps tensor 'first'"))
    }

    @Test func refusesBadMetadata() throws {
        func entry(_ key: String, _ type: UInt32, _ value: [UInt8]) -> Parts {
            Parts(metadata: [Parts.string(key) + littleEndian(type) + value])
        }
        #expect(try problem(entry("k", 13, [0])).contains("unknown value type 13"))
        #expect(try problem(entry("k", 7, [2])).contains("boolean"))
        #expect(try problem(entry("k", 8, littleEndian(UInt64(1)) + [0xFF])).contains("not UTF-8"))
        #expect(try problem(entry("general.alignment", 4, littleEndian(UInt32(24)))).contains("power of two"))
        #expect(try problem(entry("general.alignment", 4, littleEndian(UInt32(0)))).contains("power of two"))
        #expect(try problem(entry("general.alignment", 10, littleEndian(UInt64(32)))).contains("power of two"))
        let architecture = try problem(entry("general.architecture", 8, Parts.string("llama")))
        #expect(architecture.contains("is llama; only qwen2 and qwen3 are supported"))
    }
}
