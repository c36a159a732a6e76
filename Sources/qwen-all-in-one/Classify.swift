import ArgumentParser

struct Classify: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "stub")
}
