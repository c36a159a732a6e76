import ArgumentParser
import Metrics
import ModelFiles
import Roles
import Scheduling
import Service

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check a model and roles before a service takes them.",
        discussion: """
            Reads the roles and the model's tokenizer, makes every role's prompt and labels, loads the weights and runs a short \
            prompt, all as serve would, in this process: a service that runs meanwhile is not touched. Ends with 1 and one line \
            if something is wrong. With --roles-only the weights are not loaded; that takes little time and memory.

            Example: qwen-all-in-one check --model new.gguf --roles roles
            """
    )

    @OptionGroup var engine: EngineOptions
    @Flag(help: "Leave the weights out.") var rolesOnly = false

    func run() throws {
        let file = try ModelFile.open(try engine.checkedModel)
        let offer = try RoleOffer(directory: engine.roles, trained: try TrainedRoles(of: file))
        let options = try engine.schedulerOptions
        let findings =
            rolesOnly ? try RoleCheck(file: file, offer: offer, options: options) : try load(file, offer, options)
        print(findings.lines)
        let peak = ProcessMemory.current().peakResidentBytes >> 20
        print("this check took \(peak) MiB of memory at most")
    }

    private func load(_ file: ModelFile, _ offer: RoleOffer, _ options: SchedulerOptions) throws -> RoleCheck {
        let engine = try RoleEngine(
            file: file,
            offer: offer,
            options: options,
            metrics: ServerMetrics(roles: offer.roles.names, build: [])
        )
        try engine.start()
        defer { engine.scheduler.stop() }
        return try RoleCheck(running: engine)
    }
}
