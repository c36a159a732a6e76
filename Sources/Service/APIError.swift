import FastCGI
import Roles
import Scheduling

/// An error as the OpenAI API shows it: the one place where faults become statuses and texts.
package struct APIError: Error, Equatable, CustomStringConvertible {
    package let status: Int
    package let message: String
    package let type: String
    package let param: String?
    package let code: String?
    /// Seconds after which a client may try again.
    package var retryAfter: Int?
    /// Whether OpenAI's clients, which try again after any 5xx, should.
    package var mayRetry = true
    /// Methods of a 405's Allow header.
    package var allow: String?
    /// A 401 asks for a key (RFC 6750).
    package var challenge: String? { status == 401 ? "Bearer" : nil }

    package var description: String { message }

    private init(_ status: Int, _ type: String, _ message: String, param: String? = nil, code: String? = nil) {
        self.status = status
        self.type = type
        self.message = message
        self.param = param
        self.code = code
    }

    /// `{"error":{"message","type","param","code"}}`
    package var json: JSONValue {
        [
            "error": [
                "message": .string(message), "type": .string(type),
                "param": param.map { .string($0) } ?? .null, "code": code.map { .string($0) } ?? .null,
            ]
        ]
    }

    // MARK: The client's faults

    static func invalid(_ message: String, param: String? = nil, code: String? = nil) -> APIError {
        APIError(400, "invalid_request_error", message, param: param, code: code)
    }

    static func unsupported(_ param: String, _ message: String) -> APIError {
        invalid(message, param: param, code: "unsupported_parameter")
    }

    static func notFound(path: String) -> APIError {
        APIError(404, "invalid_request_error", "there is nothing at \(path)", code: "not_found")
    }

    static func methodNotAllowed(_ method: String, path: String, allow: String) -> APIError {
        var error = APIError(
            405,
            "invalid_request_error",
            "\(path) does not take \(method); use \(allow)",
            code: "method_not_allowed"
        )
        error.allow = allow
        return error
    }

    static func unknownModel(_ name: String, known: [String]) -> APIError {
        let message = "the model '\(name.prefix(64))' does not exist; one of: \(known.joined(separator: ", "))"
        return APIError(404, "invalid_request_error", message, param: "model", code: "model_not_found")
    }

    /// The role exists, but the model was not trained for it.
    static func untrained(_ name: String, trained: TrainedRoles) -> APIError {
        let message = """
            the model was not trained for the role '\(name)', only for \(trained.list); use one of these, or \
            \(TrainedRoles.remedy)
            """
        return APIError(404, "invalid_request_error", message, param: "model", code: "role_not_trained")
    }

    static func missingKey() -> APIError {
        let message = "no API key: send yours as 'Authorization: Bearer KEY'"
        return APIError(401, "invalid_request_error", message, code: "missing_api_key")
    }

    static func wrongKey() -> APIError {
        let message = "the API key is not valid; ask whoever runs this server for one"
        return APIError(401, "invalid_request_error", message, code: "invalid_api_key")
    }

    static func keyRateExceeded(rate: Int, retryAfter seconds: Int) -> APIError {
        let message = "your API key has made its \(rate) requests of this minute; try again in \(seconds) s"
        var error = APIError(429, "rate_limit_error", message, code: "rate_limit_exceeded")
        error.retryAfter = seconds
        return error
    }

    static func roleNotAllowed(_ role: String, allowed: [String]) -> APIError {
        let message = "your API key does not open '\(role.prefix(64))', only \(allowed.joined(separator: ", "))"
        return APIError(403, "permission_error", message, param: "model", code: "model_not_allowed")
    }

    init(_ error: BodyError) {
        switch error {
        case .tooLarge(let limit):
            self.init(
                413,
                "invalid_request_error",
                "the request body is larger than \(limit) bytes; send less",
                code: "request_too_large"
            )
        case .overloaded:
            self.init(429, "rate_limit_error", "\(error); try again in 1 s", code: "rate_limit_exceeded")
            retryAfter = 1
        case .lengthMismatch:
            self.init(400, "invalid_request_error", error.description, code: "length_mismatch")
        }
    }

    init(_ error: JSONError) {
        self.init(400, "invalid_request_error", error.description, code: "invalid_json")
    }

    init(_ error: PromptError, source: TextSource) {
        let code: String? =
            switch error {
            case .tooLong, .tooManyScalars: "string_above_max_length"
            case .contextExceeded: "context_length_exceeded"
            default: nil
            }
        self.init(400, "invalid_request_error", source.message(error), param: source.param(error), code: code)
    }

    // MARK: The server's state

    static func loading() -> APIError {
        var error = APIError(503, "server_error", "the model is being loaded; try again soon", code: "loading")
        error.retryAfter = 5
        return error
    }

    static func draining() -> APIError {
        var error = APIError(503, "server_error", "the server is shutting down; try again", code: "draining")
        error.retryAfter = 2
        return error
    }

    /// A request would start, or has not started, too late.
    private static func overdue(_ message: String, retryAfter: Int) -> APIError {
        var error = APIError(429, "rate_limit_error", message, code: "start_deadline")
        error.retryAfter = retryAfter
        return error
    }

    /// The answer was not complete in time. Asking again at once would only add to the load.
    static func answerOverdue(seconds: Double) -> APIError {
        let message = "the answer was not complete within \(seconds) s; allow more time or ask for less"
        var error = APIError(504, "server_error", message, code: "answer_deadline")
        error.mayRetry = false
        return error
    }

    static func selfCheckFailed() -> APIError {
        let message =
            "the server's check of its own model failed; its operator finds the reason in status.json and the log"
        return APIError(503, "server_error", message, code: "self_check_failed")
    }

    static func notReady(_ state: String) -> APIError {
        APIError(503, "server_error", "not ready: \(state)", code: "not_ready")
    }

    init(_ error: AdmissionError) {
        switch error {
        case .full(let seconds):
            self.init(
                429,
                "rate_limit_error",
                "the server is busy; try again in \(seconds) s",
                code: "rate_limit_exceeded"
            )
            retryAfter = seconds
        case .overdue(_, let seconds): self = .overdue("\(error)", retryAfter: seconds)
        case .draining: self = .draining()
        case .tooLong: self = .invalid(error.description, code: "context_length_exceeded")
        case .invalid: self = .invalid(error.description)
        }
    }

    init(_ failure: GenerationFailure) {
        switch failure {
        case .stopped: self = .draining()
        case .overdue(let seconds): self = .overdue("\(failure)", retryAfter: seconds)
        default: self.init(500, "server_error", failure.description, code: "generation_failed")
        }
    }

    static func internalFault(_ message: String) -> APIError {
        APIError(500, "server_error", message, code: "internal_error")
    }
}

/// Where in the request body a prompt's text stood.
enum TextSource {
    case messages
    /// `input` of a classification; the index if it is an array.
    case input(Int?)

    func param(_ error: PromptError) -> String {
        switch (self, error) {
        case (.input(let index), _): index.map { "input[\($0)]" } ?? "input"
        case (.messages, .emptyText(let at)), (.messages, .notAlternating(let at)), (.messages, .lastNotUser(let at)),
            (.messages, .systemNotAllowed(_, let at)), (.messages, .historyNotAllowed(_, let at)):
            "messages[\(at)]"
        case (.messages, _): "messages"
        }
    }

    func message(_ error: PromptError) -> String {
        if case (.input, .emptyText) = (self, error) { return "\(param(error)) is empty; send some text" }
        return error.description
    }
}
