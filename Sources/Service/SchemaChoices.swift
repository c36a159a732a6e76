/// The values that a JSON schema (draft 2020-12) allows, where they are few: enums, constants, booleans, null, and objects and
/// unions of these. Nothing else is taken, and no grammar is built. What `$ref`, unions and combinations multiply counts against
/// `maxNodes`, before it is built: a short schema makes neither much work nor much memory.
struct SchemaChoices {
    private static let maxDepth = 8
    /// Schema members looked at and JSON values made, in all.
    private static let maxNodes = 8_192
    /// They say nothing about which values are allowed, or no more than the rest does.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "deprecated", "$schema", "$id", "$comment", "$defs",
        "definitions",
        "additionalProperties", "type",
    ]

    private let definitions: JSONValue?
    private var nodesLeft = Self.maxNodes

    private init(definitions: JSONValue?) { self.definitions = definitions }

    /// In the schema's order, each once.
    static func values(of schema: JSONValue) throws(APIError) -> [JSONValue] {
        var choices = SchemaChoices(definitions: schema["$defs"])
        return try choices.values(schema, depth: 0)
    }

    private mutating func values(_ schema: JSONValue, depth: Int) throws(APIError) -> [JSONValue] {
        guard case .object(let members) = schema else { throw refusal("a schema must be an object") }
        try spend(1 + members.count)
        guard depth < Self.maxDepth else { throw refusal("it nests more than \(Self.maxDepth) deep") }
        let rules = members.filter { !Self.annotations.contains($0.name) }
        let found: [JSONValue]
        switch (rules.first?.name, rules.first?.value) {
        case ("enum", .array(let values)) where rules.count == 1: found = values
        case ("const", .some(let value)) where rules.count == 1: found = [value]
        case ("$ref", .string(let name)) where rules.count == 1:
            guard name.hasPrefix("#/$defs/"), let target = definitions?[String(name.dropFirst(8))] else {
                throw refusal("'$ref' must name one of '$defs'")
            }
            found = try values(target, depth: depth + 1)
        case ("anyOf", .array(let schemas)) where rules.count == 1:
            var union: [JSONValue] = []
            for schema in schemas {
                union += try values(schema, depth: depth + 1)
                try spend(union.count)
            }
            found = union
        case (nil, nil) where schema["type"] == "boolean": found = [true, false]
        case (nil, nil) where schema["type"] == "null": found = [.null]
        default: found = try objects(schema, rules, depth)
        }
        return try checked(found, type: schema["type"])
    }

    /// Every combination of the properties' values, in the properties' order.
    private mutating func objects(
        _ schema: JSONValue,
        _ rules: [JSONValue.Member],
        _ depth: Int
    ) throws(APIError) -> [JSONValue] {
        guard schema["type"] == "object", rules.allSatisfy({ $0.name == "properties" || $0.name == "required" }),
            case .object(let properties) = schema["properties"], case .array(let required) = schema["required"]
        else {
            throw refusal(
                "it takes enum, const, boolean, null, $ref, anyOf and objects with required properties of these"
            )
        }
        let names = properties.map { JSONValue.string($0.name) }
        guard required.count == names.count, names.allSatisfy(required.contains) else {
            throw refusal("'required' must name every property, and nothing else")
        }
        var objects: [[JSONValue.Member]] = [[]]
        var nodes = 1  // of all objects together
        for property in properties {
            let values = try values(property.value, depth: depth + 1)
            guard objects.count * values.count <= ChoiceRequest.maxChoices else { throw tooMany }
            nodes = nodes * values.count + objects.count * values.reduce(0) { $0 + $1.nodeCount }
            try spend(nodes)
            objects = objects.flatMap { object in
                values.map { object + [JSONValue.Member(name: property.name, value: $0)] }
            }
        }
        return objects.map { .object($0) }
    }

    private func checked(_ values: [JSONValue], type: JSONValue?) throws(APIError) -> [JSONValue] {
        if case .array(let types) = type, types.count > 7 { throw refusal("JSON has seven types") }
        guard values.count <= ChoiceRequest.maxChoices else { throw tooMany }
        var different: [JSONValue] = []
        for value in values where !different.contains(value) {
            let kind: JSONValue =
                switch value {
                case .string: "string"
                case .bool: "boolean"
                case .null: "null"
                case .integer, .number: "number"
                case .object: "object"
                case .array: throw refusal("a value must not be an array")
                }
            let isAllowed =
                switch type {
                case nil: true
                case .array(let types): types.contains(kind) || (types.contains("integer") && value.isInteger)
                case .some(let type): type == kind || (type == "integer" && value.isInteger)
                }
            guard isAllowed else { throw refusal("a value is not of the type that stands beside it") }
            different.append(value)
        }
        return different
    }

    private mutating func spend(_ nodes: Int) throws(APIError) {
        nodesLeft -= nodes
        guard nodesLeft >= 0 else { throw refusal("it is too large when all its parts are written out") }
    }

    private var tooMany: APIError { refusal("it allows more than \(ChoiceRequest.maxChoices) values") }

    private func refusal(_ reason: String) -> APIError {
        .unsupported("response_format", "response_format.json_schema.schema must allow few values: \(reason)")
    }
}

extension JSONValue {
    /// This value and those in it.
    fileprivate var nodeCount: Int {
        switch self {
        case .object(let members): members.reduce(1) { $0 + $1.value.nodeCount }
        case .array(let values): values.reduce(1) { $0 + $1.nodeCount }
        default: 1
        }
    }

    fileprivate var isInteger: Bool { if case .integer = self { true } else { false } }
}
