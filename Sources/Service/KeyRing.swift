import ModelFiles
import Synchronization

/// Checks each request's API key, and how many requests it has made. Replaced as a whole when the file of keys is read again;
/// what a key has left of its rate stays.
package final class KeyRing: Sendable {
    private struct State {
        var keys: [APIKey] = []
        /// By the keys' digests; no more than there are keys.
        var allowances: [[UInt8]: Allowance] = [:]
    }

    /// False: no keys are asked for.
    private let isInUse: Bool
    private let state = Mutex(State())

    /// - Parameter keys: nil: everyone may use the API.
    package init(_ keys: [APIKey]?) {
        isInUse = keys != nil
        replace(keys ?? [])
    }

    package func replace(_ keys: [APIKey]) {
        state.withLock { state in
            let old = state.allowances
            state.keys = keys
            state.allowances = Dictionary(keys.map { ($0.digest, old[$0.digest] ?? Allowance(rate: $0.rate)) }) { $1 }
        }
    }

    /// What the request may do. Counts it.
    ///
    /// - Parameters:
    ///   - authorization: the header's value.
    ///   - now: nanoseconds of a clock that never goes back.
    func admit(_ authorization: String?, now: UInt64) throws(APIError) -> Access {
        guard isInUse else { return .open }
        guard let secret = Self.secret(authorization) else { throw .missingKey() }
        let digest = SecureHash.sha256(secret.utf8)
        return try state.withLock { state throws(APIError) in
            // All are compared, so that the time tells nothing of which one it is.
            var found: APIKey?
            for key in state.keys where key.matches(digest) { found = key }
            guard let key = found else { throw .wrongKey() }
            let wait = state.allowances[key.digest]?.take(rate: key.rate, now: now) ?? 0
            guard wait == 0 else { throw .keyRateExceeded(rate: key.rate, retryAfter: wait) }
            return Access(key: key)
        }
    }

    /// The token of `Bearer <token>` (RFC 6750); the scheme's case does not matter.
    private static func secret(_ authorization: String?) -> Substring? {
        guard let authorization, authorization.utf8.count <= 4_096 else { return nil }
        let fields = authorization.split(separator: " ")
        guard fields.count == 2, fields[0].lowercased() == "bearer" else { return nil }
        return fields[1]
    }
}

/// A token bucket: full after a minute of rest.
struct Allowance: Sendable {
    private var left: Double
    private var last: UInt64?

    init(rate: Int) { left = Double(rate) }

    /// Takes one request. 0, or after how many seconds there is one to take.
    mutating func take(rate: Int, now: UInt64) -> Int {
        let perSecond = Double(rate) / 60
        let elapsed = Double(now - min(last ?? now, now)) / 1e9
        left = min(Double(rate), left + elapsed * perSecond)
        last = now
        guard left < 1 else {
            left -= 1
            return 0
        }
        return max(1, Int(((1 - left) / perSecond).rounded(.up)))
    }
}

/// What a request's key allows.
package struct Access: Sendable, Equatable {
    /// Keys are not in use.
    package static let open = Access(key: nil)

    private let key: APIKey?

    init(key: APIKey?) { self.key = key }

    /// The key's name; nil without keys.
    package var name: String? { key?.name }

    func allows(_ role: String) -> Bool { key?.roles?.contains(role) ?? true }

    func check(_ role: String) throws(APIError) {
        guard allows(role) else { throw .roleNotAllowed(role, allowed: key?.roles ?? []) }
    }
}
