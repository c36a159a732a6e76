package import FastCGI

/// A request as the endpoints see it, apart from how it came.
package struct Call: Sendable {
    package var method: String
    package var path: String
    package var id: String
    package var body: Result<[UInt8], BodyError>
    /// As the web server names it; nil if it does not.
    package var clientAddress: String?
    /// The client's `X-Request-Timeout-Ms`.
    package var timeout: String?
    /// The client's `Authorization`.
    package var authorization: String?
    /// What its key allows.
    package var access = Access.open

    package init(
        method: String,
        path: String,
        id: String,
        body: Result<[UInt8], BodyError>,
        clientAddress: String? = nil,
        timeout: String? = nil,
        authorization: String? = nil
    ) {
        self.method = method
        self.path = path
        self.id = id
        self.body = body
        self.clientAddress = clientAddress
        self.timeout = timeout
        self.authorization = authorization
    }

    func owner(salt: String?) -> ConversationOwner? {
        ConversationOwner(salt: salt, address: clientAddress, key: access.name)
    }

    init(_ request: borrowing Request) {
        self.init(
            method: request.method,
            path: request.path,
            id: Identifier.request(request.parameter("REQUEST_ID")),
            body: request.body,
            clientAddress: request.parameter("REMOTE_ADDR"),
            timeout: request.parameter("HTTP_X_REQUEST_TIMEOUT_MS"),
            authorization: request.parameter("HTTP_AUTHORIZATION")
        )
    }
}

/// Where a response goes. `ResponseWriter` in service, a recorder in tests.
package protocol ResponseSink: ~Copyable {
    var hasHead: Bool { get }
    mutating func writeHead(status: Int, headers: [(name: String, value: String)])
    mutating func write(_ bytes: [UInt8])
    /// False once the client no longer takes bytes.
    @discardableResult mutating func flush() -> Bool
    /// Nothing more will be written. False once the client no longer takes bytes.
    mutating func finish() -> Bool
    func isClientGone() -> Bool
    /// Calls the action from another thread as soon as the client has gone, while the request is served.
    mutating func whenClientGone(_ action: @escaping @Sendable () -> Void)
}

extension ResponseWriter: ResponseSink {}

/// A response that is complete before its first byte is sent.
package struct Response: Sendable {
    package var status = 200
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    init(status: Int = 200, json: JSONValue, headers: [(name: String, value: String)] = []) {
        self.status = status
        self.headers = [("Content-Type", "application/json")] + headers
        body = json.encoded
    }

    init(text: String, contentType: String) {
        headers = [("Content-Type", contentType)]
        body = Array(text.utf8)
    }

    init(_ error: APIError) {
        self.init(status: error.status, json: error.json)
        if let seconds = error.retryAfter { headers.append(("Retry-After", String(seconds))) }
        if !error.mayRetry { headers.append(("X-Should-Retry", "false")) }
        if let methods = error.allow { headers.append(("Allow", methods)) }
        if let scheme = error.challenge { headers.append(("WWW-Authenticate", scheme)) }
    }
}

extension ResponseSink where Self: ~Copyable {
    mutating func send(_ response: Response, requestID: String) {
        let length = ("Content-Length", String(response.body.count))
        writeHead(status: response.status, headers: response.headers + [("X-Request-Id", requestID), length])
        write(response.body)
    }
}

/// How an exchange ends early.
enum Interruption: Error, CustomStringConvertible {
    case error(APIError)
    case clientGone

    var description: String {
        switch self {
        case .error(let error): error.description
        case .clientGone: "the client went away"
        }
    }
}

enum Identifier {
    /// 24 hexadecimal digits behind a prefix such as `chatcmpl-`.
    static func random(_ prefix: String) -> String {
        let digits = Array("0123456789abcdef")
        return prefix + String((0..<24).map { _ in digits[Int.random(in: 0..<16)] })
    }

    /// The web server's id of the request if it is well-formed, so that all logs agree; else a new one.
    static func request(_ given: String?) -> String {
        guard let given, (8...64).contains(given.utf8.count),
            given.utf8.allSatisfy({ byte in
                let scalar = Unicode.Scalar(byte)
                return scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
                    || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_")
            })
        else { return random("req-") }
        return given
    }
}
