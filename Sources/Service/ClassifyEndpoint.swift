import Glibc
import Roles
import Scheduling

/// `POST /v1/classify`: a label for each input, by a role or by labels that the request brings along.
struct ClassifyEndpoint {
    let engine: RoleEngine
    let gate: PreparationGate
    let patience: Patience
    let departure: Departure

    func respond(
        to call: Call,
        body: [UInt8],
        record: inout CallRecord,
        sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        let batch: LabelBatch
        try gate.enter(body, patience, sink: sink)
        do throws(APIError) {
            defer { gate.leave(body) }
            batch = try prepare(body, call, &record)
        } catch {
            throw .error(error)
        }
        let verdicts = try batch.verdicts(patience, departure) { sink.isClientGone() }
        for verdict in verdicts { record.add(verdict.result) }
        var answer: JSONValue = [
            "id": .string(Identifier.random("classify-")), "object": "list", "created": .integer(time(nil)),
            "model": .string(batch.judge.role.name),
            "data": .array(verdicts.enumerated().map { $1.item($0) }), "usage": record.usage,
        ]
        if let warning = warning(batch.judge.role) {
            answer.append(JSONValue.Member(name: "warning", value: .string(warning)), if: true)
        }
        sink.send(Response(json: answer), requestID: call.id)
    }

    private func prepare(_ body: [UInt8], _ call: Call, _ record: inout CallRecord) throws(APIError) -> LabelBatch {
        let request = try ClassifyRequest(body: body)
        record.inputs = request.inputs.count
        let batch = LabelBatch(
            engine: engine,
            judge: try judge(request.task, call, &record),
            texts: request.inputs,
            source: { .input(request.isArray ? $0 : nil) }
        )
        try batch.check()
        return batch
    }

    private func judge(
        _ task: ClassifyRequest.Task,
        _ call: Call,
        _ record: inout CallRecord
    ) throws(APIError) -> LabelJudge {
        switch task {
        case .role(let name):
            let book = engine.book
            let role = try book.role(name)
            try call.access.check(role.name)
            record.role = role.name
            guard let judge = book.judges[role.name] else {
                throw .invalid(
                    "role '\(role.name)' replies in free text; use a role with labels or /v1/chat/completions",
                    param: "model"
                )
            }
            return judge
        case .adHoc(let role):
            try call.access.check(role.name)
            record.role = role.name
            return try engine.judge(role, for: call.owner(salt: nil))
        }
    }

    /// What to know about a verdict by labels that the model was not trained for.
    private func warning(_ role: Role) -> String? {
        guard role.name == Role.adHocName, let trained = engine.offer.trained else { return nil }
        return "the model was trained for the roles \(trained.list) only; for other labels \(TrainedRoles.remedy)"
    }
}
