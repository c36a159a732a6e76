import ArgumentParser
import Glibc
import Inference
import Metrics
import ModelFiles
import Roles
import Scheduling
import Service

extension KVPrecision: ExpressibleByArgument {}

/// Of every command that has a KV cache.
struct CacheOptions: ParsableArguments {
    @Option(help: "How the KV cache stores keys and values (default: f16; f32 for a model in f32).")
    var kvPrecision: KVPrecision?
}

/// The options of every command that runs the model, and the engine they make.
struct EngineOptions: ParsableArguments {
    @Option(help: "Model: a GGUF file or a Hugging Face folder.") var model = "models/starter.gguf"
    @Option(help: "Folder of role files.") var roles = "roles"
    @Option(help: "Compute threads (default: one a core).") var threads: Int?
    @Option(help: "Tokens that the KV cache holds, for all sequences together.") var kvTokens = 8192
    @OptionGroup var cache: CacheOptions
    @Option(help: "Sequences in the batch at once.") var maxSequences = 16

    @Flag(
        help: ArgumentHelp(
            "Look for greedy replies' tokens in a 4-bit copy of the output matrix, and prove them with the exact one.",
            discussion: "Saves time a token with a large vocabulary; takes memory. The answers are the same."
        )
    )
    var coarseOutput = false

    var schedulerOptions: SchedulerOptions {
        get throws {
            var options = SchedulerOptions()
            let bounds = [
                ("--threads", threads ?? 1, 1...256), ("--max-sequences", maxSequences, 1...512),
                ("--kv-tokens", kvTokens, 256...1 << 29),
            ]
            for (name, value, range) in bounds where !range.contains(value) {
                throw ValidationError("\(name) is \(value); it must be \(range.lowerBound) to \(range.upperBound).")
            }
            if let threads { options.threads = threads }
            options.kvBlocks = (kvTokens + 31) / 32
            options.kvPrecision = cache.kvPrecision
            options.maxSequences = maxSequences
            options.coarseOutput = coarseOutput
            options.maxBatchRows = max(options.maxBatchRows, maxSequences)
            return options
        }
    }

    /// The model's path, once something is there.
    var checkedModel: String {
        get throws {
            guard access(model, R_OK) == 0 else {
                throw ServiceError(
                    "no model at \(model); name a GGUF file or a Hugging Face folder with --model, or make a GGUF with convert"
                )
            }
            return model
        }
    }

    /// Loads the model and starts the engine's thread.
    func startEngine() throws -> RoleEngine {
        let file = try ModelFile.open(try checkedModel)
        let offer = try RoleOffer(directory: roles, trained: try TrainedRoles(of: file))
        let metrics = ServerMetrics(roles: offer.roles.names, build: [])
        let engine = try RoleEngine(file: file, offer: offer, options: try schedulerOptions, metrics: metrics)
        try engine.start()
        return engine
    }
}
