/// Which endpoint answers a path, on which socket.
package enum Router {
    package enum Endpoint: Sendable, Equatable {
        case chatCompletions, classify, models, model
        case health, readiness, metrics, status
    }

    /// Answered on the main socket, by workers that may wait for the engine.
    package static let main: [(path: String, method: String, endpoint: Endpoint)] = [
        ("/v1/chat/completions", "POST", .chatCompletions),
        ("/v1/classify", "POST", .classify),
        ("/v1/models", "GET", .models),
        ("/v1/models/{model}", "GET", .model),
    ]

    /// Answered on the ops socket, by workers that never do.
    package static let ops: [(path: String, method: String, endpoint: Endpoint)] = [
        ("/healthz", "GET", .health),
        ("/readyz", "GET", .readiness),
        ("/metrics", "GET", .metrics),
        ("/status.json", "GET", .status),
    ]

    /// What stands in a path for the parameter at the pattern's end; nil if it does not match.
    static func tail(of path: String, _ pattern: String) -> String? {
        guard pattern.hasSuffix("}"), let brace = pattern.firstIndex(of: "{"), path.hasPrefix(pattern[..<brace]) else {
            return nil
        }
        let tail = path.dropFirst(pattern.distance(from: pattern.startIndex, to: brace))
        return tail.isEmpty || tail.contains("/") ? nil : String(tail)
    }

    package static func route(
        _ method: String,
        _ path: String,
        in table: [(path: String, method: String, endpoint: Endpoint)]
    ) throws(APIError) -> Endpoint {
        guard let entry = table.first(where: { $0.path == path || tail(of: path, $0.path) != nil }) else {
            throw .notFound(path: String(path.prefix(128)))
        }
        // The web server drops the body of an answer to HEAD.
        guard method == entry.method || (method == "HEAD" && entry.method == "GET") else {
            let allow = entry.method == "GET" ? "GET, HEAD" : entry.method
            throw .methodNotAllowed(String(method.prefix(16)), path: path, allow: allow)
        }
        return entry.endpoint
    }
}
