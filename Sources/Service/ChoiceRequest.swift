/// The texts of which an answer is to be one, in the three ways that clients have of saying so: OpenAI's `response_format`
/// with a JSON schema, vLLM's `structured_outputs.choice` and its older `guided_choice`.
struct ChoiceRequest {
    static let maxChoices = 64
    static let maxCharacters = 256
    /// Of all choices together, as each is run through the model where it differs from the others.
    static let maxCharactersInAll = 4_096
    static let maxTokens = 512

    /// The parameter, for messages.
    let param: String
    let texts: [String]

    /// nil if the answer is free text.
    init?(_ reader: RequestReader) throws(APIError) {
        var found: [(param: String, texts: [String])] = []
        if let format = reader.value("response_format"), let texts = try Self.texts(format: format) {
            found.append(("response_format", texts))
        }
        if let options = reader.value("structured_outputs") {
            guard case .object(let members) = options, members.count == 1, members[0].name == "choice" else {
                throw .unsupported(
                    "structured_outputs",
                    "structured_outputs takes nothing but choice, an array of strings"
                )
            }
            found.append(("structured_outputs", try Self.strings(members[0].value, "structured_outputs")))
        }
        if let choice = reader.value("guided_choice") {
            found.append(("guided_choice", try Self.strings(choice, "guided_choice")))
        }
        guard let first = found.first else { return nil }
        guard found.count == 1 else {
            throw .invalid("\(found[1].param) does not go with \(first.param); send one of them", param: found[1].param)
        }
        (param, texts) = first
        try check()
    }

    private func check() throws(APIError) {
        guard (1...Self.maxChoices).contains(texts.count) else {
            throw .invalid("\(param) has \(texts.count) choices, it takes 1 to \(Self.maxChoices)", param: param)
        }
        let inAll = texts.reduce(0) { $0 + $1.count }
        guard inAll <= Self.maxCharactersInAll else {
            let message =
                "\(param): all choices together have \(inAll) characters, the limit is \(Self.maxCharactersInAll)"
            throw .invalid(message, param: param)
        }
        for text in texts {
            guard (1...Self.maxCharacters).contains(text.count), text.unicodeScalars.count <= 4 * Self.maxCharacters,
                text.first?.isWhitespace == false, text.last?.isWhitespace == false
            else {
                let rule = "1 to \(Self.maxCharacters) characters without white space at the ends"
                throw .invalid("\(param): a choice must have \(rule)", param: param)
            }
        }
        if let again = texts.indices.first(where: { texts[..<$0].contains(texts[$0]) }) {
            throw .invalid("\(param): choice \(again) is there a second time", param: param)
        }
    }

    private static func texts(format: JSONValue) throws(APIError) -> [String]? {
        let param = "response_format"
        switch format["type"] {
        case "text": return nil
        case "json_schema":
            guard let schema = format["json_schema"]?["schema"] else {
                throw .invalid("response_format.json_schema.schema is missing", param: param)
            }
            let values = try SchemaChoices.values(of: schema)
            return values.map { String(decoding: $0.encoded, as: UTF8.self) }
        default:
            let message = "response_format must be of type text, or json_schema with a schema of few values"
            throw .unsupported(param, message)
        }
    }

    private static func strings(_ value: JSONValue, _ param: String) throws(APIError) -> [String] {
        guard case .array(let values) = value else {
            throw .invalid("\(param) must have an array of strings", param: param)
        }
        var texts: [String] = []
        for value in values {
            guard case .string(let text) = value else {
                throw .invalid("\(param) must have an array of strings", param: param)
            }
            texts.append(text)
        }
        return texts
    }
}
