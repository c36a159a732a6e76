import Testing

@testable import ModelHub

@Suite struct ListingTests {
    private let sha256 = String(repeating: "ab", count: 32)
    private let sha1 = String(repeating: "cd", count: 20)

    @Test func readsHuggingFace() throws {
        let json = """
            [{"type": "directory", "oid": "x", "size": 0, "path": "onnx"},
             {"type": "file", "oid": "\(sha1)", "size": 5, "path": "config.json", "xetHash": "z"},
             {"type": "file", "oid": "\(sha1)", "size": 9, "path": "model.safetensors",
              "lfs": {"oid": "\(sha256)", "size": 9, "pointerSize": 134}}]
            """
        #expect(
            try Listing.files(Array(json.utf8), of: .huggingface) == [
                RemoteFile(name: "config.json", size: 5, digest: .gitBlob(sha1)),
                RemoteFile(name: "model.safetensors", size: 9, digest: .sha256(sha256)),
            ]
        )
    }

    @Test func readsModelScope() throws {
        let json = """
            {"Code": 200, "Success": true, "Data": {"Files": [
             {"Name": "onnx", "Path": "onnx", "Type": "tree", "Size": 0, "Sha256": ""},
             {"Name": "config.json", "Path": "config.json", "Type": "blob", "Size": 5, "Sha256": "\(sha256)", "IsLFS": false}]}}
            """
        #expect(
            try Listing.files(Array(json.utf8), of: .modelscope) == [
                RemoteFile(name: "config.json", size: 5, digest: .sha256(sha256))
            ]
        )
    }

    @Test(arguments: [
        "../x", "a/b", "/etc/passwd", ".bashrc", "", "a b", "a\\nb", "a\\u0000", "é", "..", "CON:", "a;b", "-x\\u001b",
    ])
    func leavesHostileNamesOut(name: String) throws {
        let json = "[{\"type\": \"file\", \"path\": \"\(name)\", \"size\": 1, \"oid\": \"\(sha1)\"}]"
        #expect(try Listing.files(Array(json.utf8), of: .huggingface) == [])
    }

    @Test func leavesSizesBelowZeroOut() throws {
        let json = "[{\"type\": \"file\", \"path\": \"a\", \"size\": -1}, {\"type\": \"file\", \"path\": \"b\"}]"
        #expect(try Listing.files(Array(json.utf8), of: .huggingface) == [])
    }

    @Test(arguments: [
        "", "{}", "[1]", "<html>", "[{\"type\": \"file\"}]", "[{\"type\": \"file\", \"path\": \"a\", \"size\": 1e99}]",
    ])
    func refusesOtherDocuments(text: String) {
        #expect(throws: HubError.self) { try Listing.files(Array(text.utf8), of: .huggingface) }
    }

    @Test func passesModelScopesRefusalOn() {
        let json = "{\"Code\": 10010205001, \"Message\": \"record\\n not found\", \"Success\": false}"
        #expect(throws: HubError("the hub says: record\u{FFFD} not found")) {
            try Listing.files(Array(json.utf8), of: .modelscope)
        }
    }
}

@Suite struct SelectionTests {
    private let repository: RepositoryName

    init() throws { repository = try RepositoryName("a/b") }

    private func select(_ names: [String], gguf: String? = nil) throws(HubError) -> [String] {
        let files = names.map { RemoteFile(name: $0, size: 1, digest: nil) }
        let selection = try Selection(files, gguf: gguf, repository: repository)
        return (selection.small + selection.weights).map(\.name)
    }

    @Test func takesWhatIsRead() throws {
        let names = [
            "README.md", "config.json", "generation_config.json", "merges.txt", "model.safetensors",
            "pytorch_model.bin",
            "tokenizer.json", "tokenizer_config.json", "vocab.json", "x.gguf",
        ]
        #expect(try select(names) == ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"])
        #expect(
            try select(names.filter { $0 != "tokenizer.json" })
                == ["config.json", "vocab.json", "merges.txt", "tokenizer_config.json", "model.safetensors"]
        )
        #expect(
            try select([
                "config.json", "tokenizer.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors",
            ])
                == ["config.json", "tokenizer.json", "model.safetensors.index.json"]
        )
    }

    @Test(arguments: [
        [], ["config.json", "tokenizer.json"], ["config.json", "model.safetensors"],
        ["tokenizer.json", "model.safetensors"],
        ["config.json", "model.safetensors", "vocab.json"],
    ])
    func refusesWhatIsNoModel(names: [String]) { #expect(throws: HubError.self) { try select(names) } }

    @Test func choosesOneGGUF() throws {
        let names = ["Q8.gguf", "q4_0.gguf", "q4_1.gguf", "q4_0.txt"]
        #expect(try select(names, gguf: "q8.gguf") == ["Q8.gguf"])
        #expect(try select(names, gguf: "*Q4_0*") == ["q4_0.gguf"])
        #expect(throws: HubError("'q4*' matches 2 files: q4_0.gguf, q4_1.gguf")) { try select(names, gguf: "q4*") }
        #expect(throws: HubError("no GGUF file of a/b matches 'q5*'; it has Q8.gguf, q4_0.gguf, q4_1.gguf")) {
            try select(names, gguf: "q5*")
        }
        #expect(throws: HubError("a/b has GGUF files; choose one with --gguf: Q8.gguf, q4_0.gguf, q4_1.gguf")) {
            try select(names)
        }
        #expect(throws: HubError("a/b has no GGUF file in its root folder")) { try select(["x.bin"], gguf: "*") }
    }

    @Test func takesWholeGGUFsAlone() throws {
        let parts = ["x-00001-of-00002.gguf", "X-00002-of-00002.GGUF"]
        let reason = "\(parts[0]) is one part of a model in several files, and only whole ones are read; a/b has "
        #expect(throws: HubError(reason + "none")) { try select(parts, gguf: "*-00001-*") }
        #expect(throws: HubError(reason + "y.gguf")) { try select(parts + ["y.gguf"], gguf: "*-00001-*") }
        #expect(throws: HubError.self) { try select(parts, gguf: parts[1]) }
        #expect(try select(["x-00001-of-00001.gguf"], gguf: "*") == ["x-00001-of-00001.gguf"])
    }

    @Test func smallFilesAreSmall() {
        let files = [
            RemoteFile(name: "config.json", size: Selection.maxSmallBytes + 1, digest: nil),
            RemoteFile(name: "tokenizer.json", size: 1, digest: nil),
            RemoteFile(name: "model.safetensors", size: 1, digest: nil),
        ]
        #expect(throws: HubError.self) { try Selection(files, gguf: nil, repository: repository) }
    }
}

@Suite struct DownloadProgressTests {
    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_234_567, "1.2 MB"), (1_240_000_000, "1.2 GB"),
        (123_456_789, "123 MB"),
    ])
    func saysAmounts(bytes: Int, text: String) { #expect(StandardErrorProgress.amount(bytes) == text) }

    @Test func drawsABar() {
        #expect(
            StandardErrorProgress.bar("a.gguf", 50, 100, rate: 10, width: 53)
                == "a.gguf [##########----------]  50 % of 100 B, 10 B/s"
        )
        for width in 1...120 {
            for (position, size) in [(0, 0), (1, 100), (100, 100), (1 << 40, 1 << 40)] {
                let bar = StandardErrorProgress.bar("model.safetensors", position, size, rate: 1 << 30, width: width)
                #expect(bar.utf8.count < max(width, 1) + 1)
            }
        }
    }
}
