import Glibc
import Roles
import Scheduling
import Testing

@testable import Service

/// The OpenAPI document says what the code does.
@Suite struct OpenAPITests {
    let document: JSONValue

    init() throws {
        guard let file = fopen("\(packageRoot)/www/openapi.json", "r") else { throw ServiceError("no openapi.json") }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 18)
        let count = fread(&bytes, 1, bytes.count, file)
        document = try JSONParser.parse(Array(bytes[..<count]))
    }

    private func at(_ path: String...) throws -> JSONValue {
        try path.reduce(document) { try #require($0[$1]) }
    }

    private func schema(_ name: String) throws -> JSONValue { try at("components", "schemas", name) }

    private func property(_ name: String, of schema: String) throws -> JSONValue {
        try #require(try self.schema(schema)["properties"]?[name])
    }

    private func names(_ value: JSONValue?) throws -> Set<String> {
        guard case .object(let members) = value else { throw ServiceError("no object") }
        return Set(members.map(\.name))
    }

    @Test func hasEveryPathAndNoOther() throws {
        guard case .object(let paths) = try at("paths") else { throw ServiceError("no paths") }
        let described = try paths.flatMap { path in try names(path.value).map { "\($0.uppercased()) \(path.name)" } }
        let served = (Router.main + Router.ops).map { "\($0.method) \($0.path)" }
        #expect(Set(described) == Set(served))
        #expect(described.count == served.count)
    }

    @Test func hasEveryParameterAndNoOther() throws {
        #expect(try names(schema("ChatRequest")["properties"]) == ChatRequest.allowed)
        #expect(try names(schema("ClassifyRequest")["properties"]) == ClassifyRequest.allowed)
    }

    @Test func hasTheValuesThatChangeNothing() throws {
        for (name, values, _) in ChatRequest.neutral {
            let property = try property(name, of: "ChatRequest")
            if values.isEmpty {
                #expect(property["type"] == "null")
            } else {
                guard case .array(let described) = property["enum"] else { throw ServiceError("\(name) has no enum") }
                #expect(described.filter { $0 != .null } == values.filter { $0 != .number(0) }, "\(name)")
            }
        }
    }

    @Test func hasTheLimits() throws {
        #expect(try property("messages", of: "ChatRequest")["maxItems"] == .integer(ChatRequest.maxMessages))
        #expect(
            try property("top_logprobs", of: "ChatRequest")["maximum"] == .integer(GenerationRequest.maxTopLogprobs)
        )
        #expect(try property("cache_salt", of: "ChatRequest")["maxLength"] == .integer(ChatRequest.maxSaltLength))
        guard case .array(let stops) = try property("stop", of: "ChatRequest")["anyOf"] else {
            throw ServiceError("no stop")
        }
        #expect(stops[0]["maxLength"] == .integer(ChatRequest.maxStopLength))
        #expect(stops[1]["maxItems"] == .integer(ChatRequest.maxStops))
        #expect(try schema("Choices")["maxItems"] == .integer(ChoiceRequest.maxChoices))
        guard case .array(let inputs) = try property("input", of: "ClassifyRequest")["anyOf"] else {
            throw ServiceError("no input")
        }
        #expect(inputs[1]["maxItems"] == .integer(ClassifyRequest.maxInputs))
        let labels = try property("labels", of: "ClassifyRequest")
        #expect(labels["minItems"] == .integer(LabelRule.count.lowerBound))
        #expect(labels["maxItems"] == .integer(LabelRule.count.upperBound))
    }
}
