/// The values that a JSON schema (draft 2020-12) allows, where they are few: enums, constants, booleans, null, and objects and
/// unions of these. Nothing else is taken: no grammar is built, and no schema can make one grow.
struct SchemaChoices {
    private static let maxDepth = 8
    /// They say nothing about which values are allowed, or no more than the rest does.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "deprecated", "$schema", "$id", "$comment", "$defs",
        "definitions",
        "additionalProperties", "type",
    ]

    private let definitions: JSONValue?

    /// In the schema's order, each once.
    static func values(of schema: JSONValue) throws(APIError) -> [JSONValue] {
        try SchemaChoices(definitions: schema["$defs"]).values(schema, depth: 0)
    }

    private func values(_ schema: JSONValue, depth: Int) throws(APIError) -> [JSONValue] {
        guard case .object(let members) = schema else { throw refusal("a schema must be an object") }
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
            for schema in schemas { union += try values(schema, depth: depth + 1) }
            found = union
        case (nil, nil) where schema["type"] == "boolean": found = [true, false]
        case (nil, nil) where schema["type"] == "null": found = [.null]
        default: found = try objects(schema, rules, depth)
        }
        return try checked(found, type: schema["type"])
    }

    /// Every combination of the properties' values, in the properties' order.
    private func objects(_ schema: JSONValue, _ rules: [JSONValue.Member], _ depth: Int) throws(APIError) -> [JSONValue]
    {
        guard schema["type"] == "object", rules.allSatisfy({ $0.name == "properties" || $0.name == "required" }),
            case .object(let properties) = schema["properties"], case .array(let required) = schema["required"]
        else {
            throw refusal(
                "it takes enum, const, boolean, null, $ref, anyOf and objects with required properties of these"
            )
        }
        var objects: [[JSONValue.Member]] = [[]]
        for property in properties {
            guard required.contains(.string(property.name)) else { throw refusal("every property must be required") }
            let values = try values(property.value, depth: depth + 1)
            guard objects.count * values.count <= ChoiceRequest.maxChoices else { throw tooMany }
            objects = objects.flatMap { object in
                values.map { object + [JSONValue.Member(name: property.name, value: $0)] }
            }
        }
        return objects.map { .object($0) }
    }

    private func checked(_ values: [JSONValue], type: JSONValue?) throws(APIError) -> [JSONValue] {
        guard values.count <= ChoiceRequest.maxChoices else { throw tooMany }
        var different: [JSONValue] = []
        for value in values where !different.contains(value) {
            let kind: JSONValue =
                switch value {
                case .string: "string"
                case .bool: "boolean"
                case .null: "null"
                case .integer: type == "number" ? "number" : "integer"
                case .number: "number"
                case .object: "object"
                case .array: throw refusal("a value must not be an array")
                }
            let isAllowed =
                switch type {
                case nil: true
                case .array(let types): types.contains(kind)
                case .some(let type): type == kind
                }
            guard isAllowed else { throw refusal("a value is not of the type that stands beside it") }
            different.append(value)
        }
        return different
    }

    private var tooMany: APIError { refusal("it allows more than \(ChoiceRequest.maxChoices) values") }

    private func refusal(_ reason: String) -> APIError {
        .unsupported("response_format", "response_format.json_schema.schema must allow few values: \(reason)")
    }
}
