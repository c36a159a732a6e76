import Glibc
import Roles
import Scheduling

/// `POST /v1/classify`: a label for each input; an array is taken in as a whole and batched.
struct ClassifyEndpoint {
    let engine: RoleEngine
    let gate: PreparationGate

    func respond(
        to call: Call,
        body: [UInt8],
        record: inout CallRecord,
        sink: inout some ResponseSink & ~Copyable
    ) throws(Interruption) {
        let works: [LabelWork]
        let handles: [GenerationHandle]
        try gate.enter(body, sink: sink)
        do throws(APIError) {
            defer { gate.leave(body) }
            works = try prepare(body, &record)
            do { handles = try engine.scheduler.submitAll(works.map(\.request)) } catch { throw APIError(error) }
        } catch {
            throw .error(error)
        }
        var noStream: EventStream?
        var data: [JSONValue] = []
        for (index, (work, handle)) in zip(works, handles).enumerated() {
            let result = try handle.result(stream: &noStream, sink: &sink)
            do throws(APIError) { data.append(item(index, try work.verdict(result))) } catch { throw .error(error) }
            record.add(result)
        }
        let answer: JSONValue = [
            "id": .string(Identifier.random("classify-")), "object": "list", "created": .integer(time(nil)),
            "model": .string(record.role ?? ""), "data": .array(data), "usage": record.usage,
        ]
        sink.send(Response(json: answer), requestID: call.id)
    }

    private func prepare(_ body: [UInt8], _ record: inout CallRecord) throws(APIError) -> [LabelWork] {
        let request = try ClassifyRequest(body: body)
        record.inputs = request.inputs.count
        let book = engine.book
        let role = try book.role(request.model)
        record.role = role.name
        var works: [LabelWork] = []
        for (index, text) in request.inputs.enumerated() {
            let work: LabelWork?
            do throws(PromptError) {
                work = try engine.labelWork(role, [Message(author: .user, content: text)], in: book)
            } catch {
                throw APIError(error, source: .input(request.isArray ? index : nil))
            }
            guard let work else {
                throw .invalid(
                    "role '\(role.name)' replies in free text; use a role with labels or /v1/chat/completions",
                    param: "model"
                )
            }
            works.append(work)
        }
        return works
    }

    private func item(_ index: Int, _ verdict: LabelVerdict) -> JSONValue {
        [
            "index": .integer(index), "label": .string(verdict.label), "probs": verdict.probabilitiesJSON,
            "labels": verdict.labelsJSON, "margin": .number(verdict.margin), "truncated": .bool(verdict.isTruncated),
            "num_classes": .integer(verdict.probabilities.count),
        ]
    }
}
