import Glibc
import Testing

@testable import FastCGI

@Suite(.serialized) struct ListeningSocketTests {
    let path = "/tmp/fastcgi-socket-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"

    @Test func bindsWithTheGroupsMode() throws {
        let socket = try ListeningSocket.bind(path: path)
        defer { socket.closeIfOwned() }
        var status = stat()
        #expect(lstat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o660)
    }

    @Test func replacesAStaleSocket() throws {
        let stale = try ListeningSocket.bind(path: path)
        close(stale.descriptor)
        let fresh = try ListeningSocket.bind(path: path)
        fresh.closeIfOwned()
        #expect(access(path, F_OK) != 0)
    }

    @Test func leavesALiveSocketAlone() throws {
        let live = try ListeningSocket.bind(path: path)
        defer { live.closeIfOwned() }
        #expect(throws: SocketError.self) { try ListeningSocket.bind(path: path) }
        _ = try FastCGIClient(path: path)
    }

    @Test func neverRemovesARegularFile() throws {
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(path) }
        #expect(throws: SocketError.self) { try ListeningSocket.bind(path: path) }
        #expect(access(path, F_OK) == 0)
    }

    @Test(arguments: ["", "/tmp/" + String(repeating: "x", count: 120), "/nowhere/at/all.sock"])
    func refusesAPathItCannotBind(path: String) {
        #expect(throws: SocketError.self) { try ListeningSocket.bind(path: path) }
    }

    @Test func ignoresSocketsMeantForAnotherProcess() throws {
        setenv("LISTEN_PID", "1", 1)
        setenv("LISTEN_FDS", "2", 1)
        defer { unsetenv("LISTEN_PID") }
        #expect(try ListeningSocket.inherited().isEmpty)
    }
}
