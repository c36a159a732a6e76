/// Reads the members of a request's JSON object one by one; every fault names its `param`.
struct RequestReader {
    private let members: [JSONValue.Member]

    /// allowed: every member that this endpoint knows, ignored ones too.
    init(_ body: [UInt8], allowed: Set<String>) throws(APIError) {
        let value: JSONValue
        do { value = try JSONParser.parse(body) } catch { throw APIError(error) }
        guard case .object(let members) = value else {
            throw .invalid("the body must be a JSON object, not \(value.kind)")
        }
        if let unknown = members.first(where: { !allowed.contains($0.name) }) {
            let name = String(unknown.name.prefix(64))
            throw .invalid("unknown parameter '\(name)'; remove it", param: name, code: "unknown_parameter")
        }
        self.members = members
    }

    /// The member's value; nil when absent or null.
    func value(_ name: String) -> JSONValue? {
        guard let value = members.first(where: { $0.name == name })?.value, value != .null else { return nil }
        return value
    }

    func requiredValue(_ name: String) throws(APIError) -> JSONValue {
        guard let value = value(name) else {
            throw .invalid("'\(name)' is missing", param: name, code: "missing_required_parameter")
        }
        return value
    }

    func string(_ name: String) throws(APIError) -> String {
        let value = try requiredValue(name)
        guard case .string(let text) = value else { throw .invalid("\(name) must be a string", param: name) }
        return text
    }

    func bool(_ name: String) throws(APIError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let result) = value else { throw .invalid("\(name) must be true or false", param: name) }
        return result
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .integer(let result) = value, range.contains(result) else {
            let most = range.upperBound == .max ? "at least \(range.lowerBound)" : "at most \(range.upperBound)"
            throw .invalid("\(name) must be a whole number of \(most)", param: name)
        }
        return result
    }

    /// nil when absent; refuses what is no number in the range.
    func number(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        switch value(name) {
        case nil: return nil
        case .integer(let number) where range.contains(Double(number)): return Double(number)
        case .number(let number) where range.contains(number): return number
        default: throw .invalid("\(name) must be a number from \(range.lowerBound) to \(range.upperBound)", param: name)
        }
    }

    /// Refuses a parameter that would change the result, unless its value asks for what happens anyway.
    func require(_ name: String, toBe neutral: [JSONValue], because reason: String) throws(APIError) {
        guard let value = value(name), !neutral.contains(value) else { return }
        throw .unsupported(name, "\(name) is not supported: \(reason)")
    }
}
