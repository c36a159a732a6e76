import Glibc
import Testing

@testable import Service

@Suite struct SystemdNotifierTests {
    /// Binds a datagram socket, sends to it by `name`, and returns what arrives.
    func received(_ name: String) -> String {
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, socklen_t(2 + bytes.count))
            }
        }
        SystemdNotifier(socketPath: name, watchdogMicroseconds: nil, watchdogProcess: nil).send("READY=1")
        var buffer = [UInt8](repeating: 0, count: 100)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    }

    @Test func sendsToAPathAndToAnAbstractName() {
        let name = "/tmp/notify-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        #expect(received(name) == "READY=1")
        unlink(name)
        #expect(received("@\(name)") == "READY=1")
    }

    @Test func isSilentWithoutSystemd() {
        SystemdNotifier(socketPath: nil, watchdogMicroseconds: nil, watchdogProcess: nil).send("READY=1")
        SystemdNotifier(socketPath: "/nowhere", watchdogMicroseconds: nil, watchdogProcess: nil).send("READY=1")
    }

    @Test func readsTheWatchdogThatIsMeantForIt() {
        func interval(_ microseconds: String?, _ process: String?) -> Duration? {
            SystemdNotifier(socketPath: nil, watchdogMicroseconds: microseconds, watchdogProcess: process)
                .watchdogInterval
        }
        #expect(interval("3000000", nil) == .seconds(3))
        #expect(interval("3000000", String(getpid())) == .seconds(3))
        #expect(interval("3000000", "1") == nil)
        #expect(interval("0", nil) == nil)
        #expect(interval("x", nil) == nil)
    }
}
