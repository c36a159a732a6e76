import ModelFiles
import Testing

/// config.json in the spellings that exist. The folder has no weights, so a good config fails later, for want of them.
@Suite struct HuggingFaceConfigTests {
    private static let base = [
        #""model_type":"qwen2""#, #""architectures":["Qwen2ForCausalLM"]"#, #""hidden_act":"silu""#,
        #""hidden_size":1024"#, #""intermediate_size":2816"#, #""num_attention_heads":16"#,
        #""num_hidden_layers":24"#, #""num_key_value_heads":16"#, #""vocab_size":151936"#,
        #""max_position_embeddings":32768"#, #""rms_norm_eps":1e-06"#, #""rope_theta":1000000.0"#,
        #""tie_word_embeddings":true"#, #""torch_dtype":"bfloat16""#, #""use_sliding_window":false"#,
        #""sliding_window":32768"#, #""max_window_layers":21"#, #""rope_scaling":null"#,
    ]

    /// The message for the base config with keys replaced or added.
    private func problem(_ changes: String...) throws -> String {
        func key(_ entry: String) -> Substring { entry.prefix { $0 != ":" } }
        let kept = Self.base.filter { entry in !changes.contains { key($0) == key(entry) } }
        return try problem(json: "{" + (kept + changes).joined(separator: ",") + "}")
    }

    private func problem(json: String) throws -> String {
        let folder = try TemporaryFolder()
        try folder.write(json, to: "config.json")
        return message { _ = try ModelFile.open(folder.path) }
    }

    private static let accepted = "holds neither model.safetensors"

    @Test func acceptsOldAndNewSpellings() throws {
        #expect(try problem().contains(Self.accepted))
        #expect(try problem(#""head_dim":64"#).contains(Self.accepted))
        #expect(try problem(#""head_dim":null"#, #""dtype":"float32""#).contains(Self.accepted))
        #expect(try problem(#""num_key_value_heads":2"#).contains(Self.accepted))
        let parameters = #""rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"}"#
        #expect(try problem(parameters, #""rope_theta":null"#).contains(Self.accepted))
        #expect(try problem(#""layer_types":["full_attention","full_attention"]"#).contains(Self.accepted))
    }

    /// Qwen3's heads have 128 values unless config.json says otherwise.
    @Test func acceptsQwen3() throws {
        let qwen3 = [#""model_type":"qwen3""#, #""architectures":["Qwen3ForCausalLM"]"#]
        #expect(try problem(qwen3[0], qwen3[1], #""hidden_size":1023"#).contains(Self.accepted))
        #expect(try problem(#""model_type":null"#, qwen3[1], #""attention_bias":false"#).contains(Self.accepted))
        #expect(try problem(qwen3[0], #""attention_bias":true"#).contains("attention_bias true is not supported"))
    }

    @Test func refusesWhatTheEngineDoesNotDo() throws {
        let llama = try problem(#""model_type":"llama""#)
        #expect(llama.contains("architecture is llama; only qwen2 and qwen3 are supported"))
        #expect(try problem(#""model_type":null"#, #""architectures":["Other"]"#).contains("architecture is Other"))
        #expect(try problem(#""hidden_act":"gelu""#).contains("hidden_act gelu"))
        #expect(try problem(#""layer_types":["sliding_attention"]"#).contains("layer type sliding_attention"))
        #expect(try problem(#""rope_scaling":{"type":"yarn","factor":4.0}"#).contains("rope_scaling is not supported"))
        let yarn = #""rope_parameters":{"rope_theta":1000000.0,"rope_type":"yarn"}"#
        #expect(try problem(yarn).contains("rope_type yarn"))
    }

    /// A window is refused when it is shorter than the context, 32,768 tokens here; transformers' default is 4,096.
    @Test(arguments: ["32767", "1", "0", "-1", "null"])
    func refusesASlidingWindow(tokens: String) throws {
        let text = try problem(#""use_sliding_window":true"#, "\"sliding_window\":\(tokens)")
        let window = tokens == "null" ? "4096" : tokens
        #expect(text.contains("sliding_window of \(window), less than the context of 32768 tokens"))
    }

    @Test func acceptsAWindowThatTheContextFitsInto() throws {
        let used = #""use_sliding_window":true"#
        #expect(try problem(used).contains(Self.accepted))
        #expect(try problem(used, #""sliding_window":131072"#).contains(Self.accepted))
        #expect(try problem(used, #""layer_types":["full_attention","sliding_attention"]"#).contains(Self.accepted))
        #expect(try problem(#""sliding_window":4096"#).contains(Self.accepted))
    }

    @Test func refusesImpossibleSizes() throws {
        #expect(try problem(#""hidden_size":0"#).contains("hidden_size is 0"))
        #expect(try problem(#""hidden_size":1023"#).contains("not a multiple of num_attention_heads"))
        #expect(try problem(#""num_attention_heads":0"#).contains("num_attention_heads"))
        #expect(try problem(#""num_hidden_layers":-1"#).contains("num_hidden_layers is -1"))
        #expect(try problem(#""num_hidden_layers":9000000000"#).contains("num_hidden_layers is 9000000000"))
        #expect(try problem(#""num_hidden_layers":1025"#).contains("the limit is 1024"))
        #expect(try problem(#""num_key_value_heads":3"#).contains("cannot share 3 KV heads"))
        #expect(try problem(#""head_dim":63"#).contains("is odd"))
        #expect(try problem(#""vocab_size":99999999999"#).contains("vocab_size"))
        #expect(try problem(#""rope_theta":0"#).contains("rope_theta"))
        #expect(try problem(#""rms_norm_eps":0"#).contains("rms_norm_eps"))
        #expect(try problem(#""max_position_embeddings":0"#).contains("max_position_embeddings"))
    }

    @Test func refusesMalformedJSON() throws {
        #expect(try problem(json: "").contains("is empty"))
        #expect(try problem(json: "{").contains("no usable config.json"))
        #expect(try problem(json: "{}").contains("'num_hidden_layers' is missing"))
        #expect(try problem(#""hidden_size":"big""#).contains("wrong type (at hidden_size)"))
    }
}
