import Glibc
import Synchronization
import Testing

@testable import FastCGI

/// A peer can tell an answer that ended from one that a crash cut off.
@Suite struct CutOffTests {
    /// With something unread, the kernel resets the connection of a process that it ends.
    @Test(arguments: [0, 5, 8_192, 100_000])
    func somethingStaysUnreadUntilTheAnswerIsComplete(size: Int) throws {
        let mayEnd = Atomic<Bool>(false)
        let server = try TestServer { request, writer in
            writer.writeHead(status: 200, headers: [])
            writer.flush()
            while !mayEnd.load(ordering: .relaxed) { usleep(1_000) }
            echo(request, &writer)
        }
        let client = try server.client
        client.send(Records.request([], body: [UInt8](repeating: 1, count: size)))
        var byte: UInt8 = 0
        #expect(recv(client.descriptor, &byte, 1, 0) == 1)
        #expect(client.unreadByPeer > 0)
        mayEnd.store(true, ordering: .relaxed)
        #expect(client.endsWithoutReset())
        client.hangUp()
    }

    /// A peer that takes nothing for too long gets no end that looks like one, and the worker serves on.
    @Test func anAnswerThatIsGivenUpIsReset() throws {
        let server = try TestServer(workers: 1, timeout: .milliseconds(200)) { request, writer in
            guard request.path == "/large" else { return echo(request, &writer) }
            writer.writeHead(status: 200, headers: [])
            for _ in 0..<1_000 where !writer.hasFailed { writer.write([UInt8](repeating: 65, count: 10_000)) }
        }
        for _ in 0..<3 {
            let stalled = try server.client
            stalled.send(Records.request([("REQUEST_URI", "/large")]))
            let other = try server.client
            other.send(Records.request([("REQUEST_URI", "/other")]))
            #expect(Records.standardOutput(other.readAll()).contains("/other"))
            #expect(!stalled.endsWithoutReset())
            stalled.hangUp()
            other.hangUp()
        }
    }

    @Test func aRequestThatIsDroppedIsReset() throws {
        let server = try TestServer(timeout: .milliseconds(100), handler: echo)
        let client = try server.client
        client.send(Records.begin())
        #expect(!client.endsWithoutReset())
        client.hangUp()
    }

    /// What comes in pieces is one request.
    @Test(arguments: [50, 4_099])
    func piecesMakeARequest(pieceBytes: Int) throws {
        let server = try TestServer(handler: echo)
        let client = try server.client
        let parameters = [("REQUEST_URI", "/pieces"), ("LONG", String(repeating: "x", count: 900))]
        let bytes = Records.request(parameters, body: [UInt8](repeating: 1, count: pieceBytes * 200))
        for start in stride(from: 0, to: bytes.count, by: pieceBytes) {
            client.send(Array(bytes[start..<min(start + pieceBytes, bytes.count)]))
        }
        #expect(Records.standardOutput(client.readAll()).contains("/pieces \(pieceBytes * 200) "))
        client.hangUp()
    }
}

extension FastCGIClient {
    /// What was sent and has not been read at the other end, as the kernel accounts for it (unix(7), SIOCOUTQ).
    fileprivate var unreadByPeer: Int {
        var count: Int32 = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : -1
    }

    /// Reads to the end.
    fileprivate func endsWithoutReset() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            if count <= 0 { return count == 0 }
        }
    }
}
