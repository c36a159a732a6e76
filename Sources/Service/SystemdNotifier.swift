import FastCGI
import Glibc

/// Tells systemd about the service's state (sd_notify(3)): one datagram each; silent without systemd.
package struct SystemdNotifier: Sendable {
    private let socketPath: String?
    /// The longest silence systemd accepts; nil without a watchdog.
    package let watchdogInterval: Duration?

    package init() {
        self.init(
            socketPath: Self.variable("NOTIFY_SOCKET"),
            watchdogMicroseconds: Self.variable("WATCHDOG_USEC"),
            watchdogProcess: Self.variable("WATCHDOG_PID")
        )
    }

    init(socketPath: String?, watchdogMicroseconds: String?, watchdogProcess: String?) {
        self.socketPath = socketPath
        let isMeant = watchdogProcess.map { Int32($0) == getpid() } ?? true
        watchdogInterval = watchdogMicroseconds.flatMap { Int64($0) }
            .flatMap { isMeant && $0 > 0 ? .microseconds($0) : nil }
    }

    /// state: such as `READY=1`; several lines may be joined by a line break. Failure is of no account.
    package func send(_ state: String) {
        guard let socketPath, let first = socketPath.utf8.first else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var path = Array(socketPath.utf8)
        guard path.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if first == UInt8(ascii: "@") { path[0] = 0 }  // the abstract name space
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // An abstract name has no end mark: its length counts.
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        let bytes = Array(state.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), $0, length)
            }
        }
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }
    }
}
