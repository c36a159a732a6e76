import ArgumentParser

struct Chat: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "stub")
}
