import ArgumentParser

struct Synthesize: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "stub")
}
