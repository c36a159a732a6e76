import CFastCGI
import Glibc

/// Why a request that arrived whole has no usable body; the handler answers it.
package enum BodyError: Error, Equatable, CustomStringConvertible {
    case tooLarge(limit: Int)
    /// Too many large bodies are held already.
    case overloaded
    case lengthMismatch(declared: String, received: Int)

    package var description: String {
        switch self {
        case .tooLarge(let limit): "the request body is larger than \(limit) bytes"
        case .overloaded: "too many large requests at once"
        case .lengthMismatch(let declared, let received):
            "the body's length does not match: CONTENT_LENGTH says \(declared), received \(received) bytes"
        }
    }
}

/// One FastCGI responder request whose body has been read to its end. Valid only while its handler runs.
package struct Request: ~Copyable {
    private let raw: UnsafeMutablePointer<FCGX_Request>
    /// The body, or why there is none.
    package let body: Result<[UInt8], BodyError>

    init(raw: UnsafeMutablePointer<FCGX_Request>, body: Result<[UInt8], BodyError>) {
        self.raw = raw
        self.body = body
    }

    /// A FastCGI parameter such as `REQUEST_METHOD`; invalid UTF-8 is repaired.
    package func parameter(_ name: String) -> String? {
        guard let value = FCGX_GetParam(name, raw.pointee.envp) else { return nil }
        return String(cString: value)
    }

    /// The HTTP method in capitals.
    package var method: String { parameter("REQUEST_METHOD") ?? "" }

    /// The path without its query: nginx's normalised DOCUMENT_URI, else REQUEST_URI.
    package var path: String {
        let uri = parameter("DOCUMENT_URI") ?? parameter("REQUEST_URI") ?? parameter("SCRIPT_NAME") ?? "/"
        return String(uri.prefix { $0 != "?" })
    }

    /// The query string, not decoded.
    package var query: String { parameter("QUERY_STRING") ?? "" }
}

/// True when the other end of a connection has closed, or has shut down its writing half.
func isPeerGone(_ descriptor: Int32) -> Bool {
    var poller = pollfd(fd: descriptor, events: Int16(CF_POLLRDHUP), revents: 0)
    guard poll(&poller, 1, 0) > 0 else { return false }
    return Int32(poller.revents) & (Int32(CF_POLLRDHUP) | POLLHUP | POLLERR) != 0
}
