/// The body of `POST /v1/classify`, checked.
package struct ClassifyRequest: Sendable, Equatable {
    package static let maxInputs = 64

    package var model: String
    package var inputs: [String]
    /// `input` was an array, though perhaps of one text.
    package var isArray: Bool

    package init(body: [UInt8]) throws(APIError) {
        let reader = try RequestReader(body, allowed: ["model", "input", "user"])
        model = try reader.string("model")
        switch try reader.requiredValue("input") {
        case .string(let text):
            inputs = [text]
            isArray = false
        case .array(let values):
            guard (1...Self.maxInputs).contains(values.count) else {
                throw .invalid("input has \(values.count) texts, it takes 1 to \(Self.maxInputs)", param: "input")
            }
            inputs = []
            for (index, value) in values.enumerated() {
                guard case .string(let text) = value else {
                    throw .invalid("input[\(index)] must be a string", param: "input[\(index)]")
                }
                inputs.append(text)
            }
            isArray = true
        default: throw .invalid("input must be a string or an array of strings", param: "input")
        }
    }
}
