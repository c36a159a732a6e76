import Glibc
import ModelFiles
import Testing

@Suite struct HuggingFaceFolderTests {
    /// What transformers saved: config.json in its newest spelling, one bfloat16 file, tied embeddings.
    @Test func showsAFolderUnderGGUFNames() throws {
        let file = try ModelFile.open(Fixtures.tinyQwen2)
        #expect(file.isHuggingFaceFolder)
        let expected: [(String, MetadataValue)] = [
            ("general.architecture", .string("qwen2")), ("general.name", .string("tiny-qwen2")),
            ("qwen2.block_count", .uint32(1)), ("qwen2.embedding_length", .uint32(32)),
            ("qwen2.feed_forward_length", .uint32(64)), ("qwen2.attention.head_count", .uint32(2)),
            ("qwen2.attention.head_count_kv", .uint32(1)), ("qwen2.context_length", .uint32(64)),
            ("qwen2.rope.freq_base", .float32(1e6)), ("qwen2.attention.layer_norm_rms_epsilon", .float32(1e-6)),
            ("qwen_all_in_one.roles", .strings(["sentiment", "chat"])),
        ]
        for (key, value) in expected { #expect(file.metadata[key] == value, "\(key)") }
        #expect(file.metadata.count == expected.count)
        #expect(file.tensors.count == 14)
        #expect(try file.tensor("token_embd.weight").shape == [12, 32])
        #expect(try file.tensor("blk.0.attn_k.weight").shape == [16, 32])
        #expect(try file.tensor("blk.0.attn_k.bias").shape == [16])
        #expect(try file.tensor("blk.0.ffn_down.weight").shape == [32, 64])
        #expect(file.tensors.values.allSatisfy { $0.type == .bf16 })
        #expect(message { _ = try file.tensor("output.weight") }.contains("tensor 'output.weight': is missing"))
    }

    // MARK: Variations of the folder

    private struct Part {
        var name: String
        var dtype = "BF16"
        var shape: [Int]
        var data: [UInt8]
    }

    /// The fixture's tensors under their Hugging Face names.
    private func parts() throws -> [Part] {
        let file = try ModelFile.open(Fixtures.tinyQwen2)
        var dimensions = ModelShape.tiny.dimensions(tokenCount: 12)
        (dimensions.layerCount, dimensions.hiddenSize, dimensions.intermediateSize) = (1, 32, 64)
        (dimensions.headCount, dimensions.kvHeadCount) = (2, 1)
        return try dimensions.tensors.map { slot in
            let view = try file.tensor(slot.name)
            return Part(name: slot.huggingFaceName, shape: view.shape, data: view.array)
        }
    }

    private func folder(_ parts: [Part], tied: Bool = true) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        var config = String(decoding: try readFile("\(Fixtures.tinyQwen2)/config.json"), as: UTF8.self)
        if !tied {
            let range = try #require(config.firstRange(of: #""tie_word_embeddings": true"#))
            config.replaceSubrange(range, with: #""tie_word_embeddings": false"#)
        }
        try folder.write(config, to: "config.json")
        try folder.write(encode(parts), to: "model.safetensors")
        return folder
    }

    private func encode(_ parts: [Part]) -> [UInt8] {
        safetensors(parts.map { ($0.name, $0.dtype, $0.shape, $0.data) })
    }

    @Test func dropsAnOutputMatrixThatRepeatsATiedEmbedding() throws {
        var parts = try parts()
        parts.append(Part(name: "lm_head.weight", shape: parts[0].shape, data: parts[0].data))
        let folder = try folder(parts)
        let file = try ModelFile.open(folder.path)
        #expect(file.tensors["output.weight"] == nil && file.tensors.count == 14)
    }

    @Test func refusesAnOutputMatrixThatDiffersFromATiedEmbedding() throws {
        var parts = try parts()
        var data = parts[0].data
        data[data.count - 1] ^= 1
        parts.append(Part(name: "lm_head.weight", shape: parts[0].shape, data: data))
        let differing = try folder(parts)
        let text = message { _ = try ModelFile.open(differing.path) }
        #expect(text.contains("tensor 'lm_head.weight': differs from the embedding"))
        parts[parts.count - 1].dtype = "F16"
        parts[parts.count - 1].data = parts[0].data
        let retyped = try folder(parts)
        #expect(message { _ = try ModelFile.open(retyped.path) }.contains("differs from the embedding"))
    }

    @Test func keepsAnUntiedOutputMatrix() throws {
        var parts = try parts()
        let missing = try folder(parts, tied: false)
        #expect(message { _ = try ModelFile.open(missing.path) }.contains("tensor 'lm_head.weight': is missing"))
        parts.append(Part(name: "lm_head.weight", shape: parts[0].shape, data: parts[0].data.reversed()))
        let folder = try folder(parts, tied: false)
        let file = try ModelFile.open(folder.path)
        #expect(try file.tensor("output.weight").array == parts[0].data.reversed())
    }

    @Test func refusesMissingUnknownAndMisshapenTensors() throws {
        let parts = try parts()
        func problem(_ change: (inout [Part]) -> Void) throws -> String {
            var changed = parts
            change(&changed)
            let folder = try folder(changed)
            return message { _ = try ModelFile.open(folder.path) }
        }
        #expect(try problem { $0.removeLast() }.contains("tensor 'model.norm.weight': is missing"))
        #expect(try problem { $0[0].name = "odd" }.contains("'model.embed_tokens.weight': is missing"))
        let unknown = try problem { $0.append(Part(name: "extra", shape: [1], data: [0, 0])) }
        #expect(unknown.contains("tensor 'extra': is not part of a qwen2 model"))
        let misshapen = try problem { $0[0].shape = [32, 12] }
        #expect(misshapen.contains("has shape [32, 12], but config.json makes it [12, 32]"))
        let buffers = try folder(
            parts + [
                Part(
                    name: "model.layers.0.self_attn.rotary_emb.inv_freq",
                    shape: [8],
                    data: .init(repeating: 0, count: 16)
                )
            ]
        )
        #expect(try ModelFile.open(buffers.path).tensors.count == 14)
    }

    // MARK: Shards

    /// The fixture in two shards, with the index as given.
    private func sharded(_ index: (_ first: [String], _ second: [String]) -> [String: String]) throws -> TemporaryFolder
    {
        let parts = try parts()
        let folder = try folder([])
        unlink(folder.file("model.safetensors"))
        try folder.write(encode(Array(parts[..<5])), to: "a.safetensors")
        try folder.write(encode(Array(parts[5...])), to: "b.safetensors")
        let map = index(parts[..<5].map(\.name), parts[5...].map(\.name))
        let entries = map.map { "\"\($0.key)\":\"\($0.value)\"" }.joined(separator: ",")
        try folder.write(
            "{\"metadata\":{\"total_size\":1},\"weight_map\":{\(entries)}}",
            to: "model.safetensors.index.json"
        )
        return folder
    }

    private func map(_ first: [String], _ second: [String]) -> [String: String] {
        Dictionary(uniqueKeysWithValues: first.map { ($0, "a.safetensors") } + second.map { ($0, "b.safetensors") })
    }

    @Test func readsShards() throws {
        let folder = try sharded(map)
        let file = try ModelFile.open(folder.path)
        let whole = try ModelFile.open(Fixtures.tinyQwen2)
        #expect(file.tensorNames == whole.tensorNames)
        for (name, view) in whole.tensors { #expect(try file.tensor(name).array == view.array) }
    }

    @Test func refusesABadIndex() throws {
        func problem(_ change: (inout [String: String]) -> Void) throws -> String {
            let folder = try sharded { first, second in
                var index = map(first, second)
                change(&index)
                return index
            }
            return message { _ = try ModelFile.open(folder.path) }
        }
        for name in ["../a.safetensors", "/etc/passwd", "x/a.safetensors", ".safetensors", "a.bin", ""] {
            #expect(try problem { $0["model.norm.weight"] = name }.contains("is not a plain .safetensors file name"))
        }
        #expect(try problem { $0["model.norm.weight"] = "c.safetensors" }.contains("c.safetensors: cannot open"))
        #expect(try problem { $0["more"] = "b.safetensors" }.contains("b.safetensors: tensor 'more': is not here"))
        #expect(try problem { $0["model.norm.weight"] = nil }.contains("'model.norm.weight': is not placed here"))
    }

    @Test func saysWhatAFolderLacks() throws {
        let folder = try TemporaryFolder()
        #expect(message { _ = try ModelFile.open(folder.path) }.contains("config.json: cannot open"))
        try folder.write(try readFile("\(Fixtures.tinyQwen2)/config.json"), to: "config.json")
        #expect(message { _ = try ModelFile.open(folder.path) }.contains("holds neither model.safetensors nor"))
        let complete = try self.folder(try parts())
        try complete.write("{}", to: "roles.json")
        #expect(message { _ = try ModelFile.open(complete.path) }.contains("roles.json: must be an array of strings"))
    }
}
