import ArgumentParser

struct Logits: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "stub")
}
