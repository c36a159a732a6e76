import FoundationEssentials
import ModelFiles
import Testing

@Suite struct InspectionTests {
    private func json(_ inspection: Inspection) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(inspection), as: UTF8.self)
    }

    @Test func listsMetadataAndTensors() throws {
        let inspection = Inspection(try ModelFile.open(Fixtures.quants))
        #expect(inspection.text.contains("9 tensors"))
        #expect(inspection.text.contains("test.float64"))
        let json = try json(inspection)
        #expect(json.contains(#"{"isAbbreviated":false,"key":"test.float32","type":"float32","value":0.1}"#))
        #expect(
            json.contains(
                #"{"isAbbreviated":false,"key":"test.uint64","type":"uint64","value":"18446744073709551615"}"#
            )
        )
        #expect(json.contains(#"{"bytes":204,"name":"q8_0","shape":[6,64],"type":"q8_0"}"#) == false)
        #expect(json.contains(#"{"bytes":408,"name":"q8_0","shape":[6,64],"type":"q8_0"}"#))
        #expect(inspection.parameters == 9 * 6 * 64)
        #expect(inspection.bytesByType["q4_0"] == 6 * 64 / 32 * 18)
    }

    @Test func showsEveryRole() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.add("general.architecture", .string("qwen2"))
        writer.add(ModelFile.rolesKey, .strings((0..<65).map { "r\($0)" }))
        let path = folder.file("x.gguf")
        try writer.write(to: path)
        let inspection = Inspection(try ModelFile.open(path))
        let roles = try #require(inspection.metadata.first { $0.key == ModelFile.rolesKey })
        #expect(roles.value == .list((0..<64).map { .text("r\($0)") }))
        #expect(roles.isAbbreviated)
    }

    @Test func abbreviatesAndEscapes() throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.add("general.architecture", .string("other"))
        writer.add("words", .strings((0..<1000).map { "w\($0)" }))
        writer.add("long", .string(String(repeating: "x", count: 5000)))
        writer.add("terminal", .string("\u{1B}[31mred\n"))
        writer.add("broken", .float32(.nan))
        let path = folder.file("x.gguf")
        try writer.write(to: path)
        let inspection = Inspection(try ModelFile.open(path, anyArchitecture: true))
        let words = try #require(inspection.metadata.first { $0.key == "words" })
        #expect(words.type == "string[1000]" && words.isAbbreviated)
        #expect(words.value == .list((0..<6).map { .text("w\($0)") }))
        #expect(inspection.text.utf8.count < 1500)
        #expect(!inspection.text.contains("\u{1B}"))
        #expect(inspection.text.contains("w0, w1, w2, w3, w4, w5 …"))
        #expect(try json(inspection).contains(#""value":"nan""#))
    }
}
