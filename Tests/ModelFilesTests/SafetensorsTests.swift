import ModelFiles
import Testing

/// Malformed safetensors inside an otherwise good folder. Good ones: `HuggingFaceFolderTests`.
@Suite struct SafetensorsTests {
    private func problem(_ bytes: [UInt8]) throws -> String {
        let folder = try TemporaryFolder()
        try folder.write(try readFile("\(Fixtures.tinyQwen2)/config.json"), to: "config.json")
        try folder.write(bytes, to: "model.safetensors")
        return message { _ = try ModelFile.open(folder.path) }
    }

    private func problem(header: String, data: Int = 8) throws -> String {
        try problem(safetensors(header, data: [UInt8](repeating: 0, count: data)))
    }

    private func entry(_ dtype: String, _ shape: String, _ offsets: String) -> String {
        #"{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }

    @Test func refusesHeadersThatDoNotFit() throws {
        #expect(try problem([1, 2, 3]).contains("ends at byte 3"))
        #expect(try problem(littleEndian(UInt64.max)).contains("above the limit of 100000000"))
        #expect(try problem(littleEndian(UInt64(50)) + [123]).contains("more than the 9 bytes"))
        #expect(try problem(header: "not json").contains("header is malformed"))
        #expect(try problem(header: "[]").contains("header is malformed"))
        #expect(try problem(header: String(repeating: "[", count: 100_000)).contains("header is malformed"))
        #expect(try problem(header: #"{"t":{"dtype":"F32","shape":[2]}}"#).contains("'data_offsets' is missing (at t)"))
    }

    @Test func refusesBadTensors() throws {
        func problem(_ dtype: String, _ shape: String, _ offsets: String) throws -> String {
            try self.problem(header: "{\"t\":\(entry(dtype, shape, offsets))}")
        }
        #expect(try problem("I64", "[1]", "[0,8]").contains("tensor 't': has dtype I64"))
        #expect(try problem("F32", "[2]", "[0,4]").contains("need 8 bytes"))
        #expect(try problem("F32", "[0]", "[0,0]").contains("impossible shape"))
        #expect(try problem("F32", "[]", "[0,4]").contains("impossible shape"))
        #expect(try problem("F32", "[-2]", "[0,8]").contains("impossible shape"))
        #expect(try problem("F32", "[4611686018427387904,4]", "[0,8]").contains("impossible shape"))
        #expect(try problem("F32", "[99999999999999999999999]", "[0,8]").contains("header is malformed"))
        #expect(try problem("F32", "[2]", "[8,0]").contains("unused bytes"))
        #expect(try problem("F32", "[2]", "[0,8,9]").contains("two numbers"))
        #expect(try problem("F32", "[2]", "[-8,0]").contains("two numbers"))
        #expect(try problem("F32", "[3]", "[0,12]").contains("ends beyond the file"))
        #expect(try problem("F32", "[1]", "[0,4]").contains("4 bytes behind its last tensor"))
    }

    @Test func refusesOverlapAndHoles() throws {
        let first = entry("F32", "[2]", "[0,8]")
        let overlapping = entry("F32", "[2]", "[4,12]")
        #expect(try problem(header: "{\"a\":\(first),\"b\":\(overlapping)}", data: 12).contains("'b': overlaps"))
        let distant = entry("F32", "[1]", "[12,16]")
        #expect(try problem(header: "{\"a\":\(first),\"b\":\(distant)}", data: 16).contains("'b': has unused bytes"))
        // A name given twice leaves one of the two places unused.
        let second = entry("F32", "[1]", "[8,12]")
        let twice = try problem(header: "{\"a\":\(first),\"a\":\(second)}", data: 12)
        #expect(twice.contains("behind its last tensor") || twice.contains("unused bytes"))
    }

    @Test func everyTruncationAndChangedHeaderByteIsHandled() throws {
        let original = try readFile("\(Fixtures.tinyQwen2)/model.safetensors")
        let headerLength = original[..<8].enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        let folder = try TemporaryFolder()
        try folder.write(try readFile("\(Fixtures.tinyQwen2)/config.json"), to: "config.json")
        for length in stride(from: 0, to: original.count, by: 97) {
            try folder.write(Array(original[..<length]), to: "model.safetensors")
            #expect(throws: ModelFileError.self) { try ModelFile.open(folder.path) }
        }
        for index in 0..<(8 + headerLength) {
            var changed = original
            changed[index] ^= index % 2 == 0 ? 0x01 : 0x80
            try folder.write(changed, to: "model.safetensors")
            if let file = try? ModelFile.open(folder.path) {
                #expect(file.tensors.values.allSatisfy { !$0.array.isEmpty })
            }
        }
    }
}
