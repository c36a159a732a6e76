import ArgumentParser
import Inference
import Metrics
import ModelFiles
import Service

/// Measures the engine itself: no tokenizer, no scheduler, no FastCGI.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the engine: tokens a second by format, prompt, context and batch.",
        discussion: """
            Prints one line a case: median and range of the rounds, and the median as a share of what the machine allows, \
            measured in the same run: the longer of reading the bytes and of the arithmetic on registers. The weights' \
            values do not matter: a model of `synthesize` is as good as a trained one. What the processor's cache holds may pass \
            100 %.

            Example: qwen-all-in-one bench --model random-q8_0.gguf --model random-q4_0.gguf
            """
    )

    @Option(help: "A GGUF file or a Hugging Face folder; may be given several times.") var model: [String]
    @Option(parsing: .upToNextOption, help: "Tokens of the prompts to prefill.") var prompt = [32, 64, 128, 512]
    @Option(parsing: .upToNextOption, help: "Tokens of context before a decoded token.") var context = [0, 512]
    @Option(parsing: .upToNextOption, help: "Sequences that decode at once.") var batch = [1, 4, 16]
    @Flag(help: "Decode by way of the coarse output matrix as well.") var coarseOutput = false
    @OptionGroup var cache: CacheOptions
    @Option(help: "Compute threads.") var threads = ComputeOptions.onlineProcessors
    @Option(help: "Times that every case is measured, one after the other.") var rounds = 5
    @Flag(help: "Print one JSON object a line.") var json = false

    func validate() throws {
        guard (1...256).contains(threads), (1...1000).contains(rounds) else {
            throw ValidationError("--threads must be 1 to 256, --rounds 1 to 1000.")
        }
        guard prompt.allSatisfy({ (1...8192).contains($0) }), context.allSatisfy({ (0...8192).contains($0) }),
            batch.allSatisfy({ (1...64).contains($0) })
        else {
            throw ValidationError("--prompt must be 1 to 8192, --context 0 to 8192, --batch 1 to 64.")
        }
    }

    func run() throws {
        if !json { print(BenchResult.header) }
        for path in model { try measure(path) }
    }

    private func measure(_ path: String) throws {
        let model = try Model(file: try ModelFile.open(path), coarseOutput: coarseOutput)
        let limits = try MachineLimits(weights: model.productType, threads: threads)
        let coarse = model.hasCoarseOutput ? [false, true] : [false]
        let decoding = context.flatMap { context in
            batch.flatMap { batch in coarse.map { BenchCase.decode(context: context, batch: batch, coarse: $0) } }
        }
        let cases = prompt.map(BenchCase.prefill) + decoding
        let subject = try BenchSubject(model: model, threads: threads, precision: cache.kvPrecision, cases: cases)
        var seconds = [[Double]](repeating: [], count: cases.count)
        for round in 0...rounds {
            for (index, each) in cases.enumerated() {
                let time = subject.run(each)
                if round > 0 { seconds[index].append(time) }  // the first round warms up
            }
        }
        let resident = ProcessMemory.current().residentBytes
        for (each, times) in zip(cases, seconds) {
            let result = BenchResult(
                format: model.weightType,
                threads: threads,
                subject: each,
                rates: times.map { Double(each.tokens) / $0 }.sorted(),
                limit: subject.limit(each, limits),
                residentBytes: resident
            )
            print(json ? result.jsonLine : result.row)
        }
    }
}

/// One line of the table.
struct BenchResult {
    var format: String
    var threads: Int
    var subject: BenchCase
    /// Tokens a second, ascending.
    var rates: [Double]
    /// Tokens a second that the machine allows; 0 where unknown.
    var limit: Double
    var residentBytes: Int

    static let header = "format  case                              tokens/s   (range)            of limit  RSS MB"

    private var median: Double { (rates[(rates.count - 1) / 2] + rates[rates.count / 2]) / 2 }

    var row: String {
        func padded(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(1, width - text.count))
        }
        let range = "(\(rates[0].oneDecimal)–\(rates[rates.count - 1].oneDecimal))"
        let share = limit > 0 ? "\((100 * median / limit).oneDecimal) %" : "–"
        return padded(format, 8) + padded(subject.name, 34) + padded(median.oneDecimal, 11) + padded(range, 19)
            + padded(share, 10) + "\(residentBytes / 1_000_000)"
    }

    var jsonLine: String {
        let value: JSONValue = [
            "format": .string(format), "threads": .integer(threads), "case": .string(subject.name),
            "tokens_per_second": .number(median), "lowest": .number(rates[0]),
            "highest": .number(rates[rates.count - 1]), "limit": .number(limit),
            "resident_bytes": .integer(residentBytes),
        ]
        return String(decoding: value.encoded, as: UTF8.self)
    }
}

extension Double {
    fileprivate var oneDecimal: String {
        let tenths = Int((self * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
