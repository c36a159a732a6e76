package import Roles

/// The body of `POST /v1/classify`, checked: texts, and a role's name or labels with an instruction.
package struct ClassifyRequest: Sendable, Equatable {
    package static let maxInputs = 256

    package enum Task: Sendable, Equatable {
        case role(String)
        /// A role that lasts as long as the request.
        case adHoc(Role)
    }

    package var task: Task
    package var inputs: [String]
    /// `input` was an array, though perhaps of one text.
    package var isArray: Bool

    static let allowed: Set<String> = ["model", "input", "labels", "instruction", "abstain_below", "user"]

    package init(body: [UInt8]) throws(APIError) {
        let reader = try RequestReader(body, allowed: Self.allowed)
        task = try Self.task(reader)
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

    private static func task(_ reader: RequestReader) throws(APIError) -> Task {
        if reader.value("labels") == nil {
            for name in ["instruction", "abstain_below"] where reader.value(name) != nil {
                throw .invalid("\(name) goes with labels; send these too, or a role as model alone", param: name)
            }
            return .role(try reader.string("model"))
        }
        if let model = reader.value("model"), model != .string(Role.adHocName) {
            let message = "labels take the place of a role; leave model out, or send '\(Role.adHocName)'"
            throw .invalid(message, param: "model")
        }
        return .adHoc(
            Role.adHoc(
                instruction: try instruction(reader),
                labels: try labels(reader),
                abstainBelow: try reader.number("abstain_below", in: 0...1)
            )
        )
    }

    private static func instruction(_ reader: RequestReader) throws(APIError) -> String {
        let text = try reader.string("instruction")
        guard !text.allSatisfy(\.isWhitespace), text.count <= Role.maxAdHocCharacters,
            text.unicodeScalars.count <= 4 * Role.maxAdHocCharacters
        else {
            let message = "instruction must be 1 to \(Role.maxAdHocCharacters) characters, not all blank"
            throw .invalid(message, param: "instruction")
        }
        return text
    }

    private static func labels(_ reader: RequestReader) throws(APIError) -> [String] {
        let allowed = LabelRule.count
        guard case .array(let values) = reader.value("labels"), allowed.contains(values.count) else {
            let message = "labels must be an array of \(allowed.lowerBound) to \(allowed.upperBound) strings"
            throw .invalid(message, param: "labels")
        }
        var labels: [String] = []
        for (index, value) in values.enumerated() {
            let param = "labels[\(index)]"
            guard case .string(let label) = value, LabelRule.allows(label) else {
                throw .invalid("\(param) must be a string of \(LabelRule.text)", param: param)
            }
            guard !labels.contains(label) else { throw .invalid("\(param) is there a second time", param: param) }
            labels.append(label)
        }
        return labels
    }
}
