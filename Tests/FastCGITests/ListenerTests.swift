import Glibc
import Synchronization
import Testing

@testable import FastCGI

/// A listener on a temporary socket that stops when the test ends.
final class TestServer: Sendable {
    let path: String
    let listener: Listener
    let drops = Mutex<[String]>([])

    init(
        workers: Int = 2,
        bodyLimit: Int = 1 << 20,
        bodyBudget: Int = 16 << 20,
        timeout: Duration = .seconds(5),
        sendLimit: Duration = .seconds(30),
        handler: @escaping Listener.Handler
    )
        throws
    {
        path = "/tmp/fastcgi-test-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sock"
        listener = try Listener(
            name: "test",
            socket: .bind(path: path),
            options: ListenerOptions(
                workers: workers,
                bodyLimit: bodyLimit,
                bodyBudget: bodyBudget,
                receiveTimeout: timeout,
                sendTimeout: timeout,
                sendLimit: sendLimit
            )
        )
        try listener.start(handler: handler) { [weak self] error in
            self?.drops.withLock { $0.append(error.description) }
        }
    }

    deinit { listener.stopAccepting() }

    var client: FastCGIClient { get throws { try FastCGIClient(path: path) } }
}

/// Answers with what it received: method, path, body length and a checksum.
@Sendable func echo(_ request: borrowing Request, _ writer: inout ResponseWriter) {
    let text: String
    switch request.body {
    case .success(let body):
        let sum = body.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        text = "\(request.method) \(request.path) \(body.count) \(sum)"
    case .failure(let error): text = "error: \(error)"
    }
    writer.writeHead(status: 200, headers: [("Content-Type", "text/plain")])
    writer.write(Array(text.utf8))
}

@Suite struct ListenerTests {
    @Test func answersARequest() throws {
        let server = try TestServer(handler: echo)
        let answer = try server.client.exchange([("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/a/b?c=d")])
        #expect(answer == "Status: 200\r\nContent-Type: text/plain\r\n\r\nGET /a/b 0 0")
    }

    @Test(arguments: [1, 8_191, 8_192, 8_193, 65_536, 700_001], [(32_768, 0), (1_000, 255), (65_535, 7)])
    func readsTheWholeBody(size: Int, shape: (chunk: Int, padding: Int)) throws {
        let server = try TestServer(handler: echo)
        let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
        let sum = body.reduce(UInt64(0)) { $0 &* 31 &+ UInt64($1) }
        let client = try server.client
        let parameters = [("REQUEST_METHOD", "POST"), ("REQUEST_URI", "/x"), ("CONTENT_LENGTH", String(size))]
        client.send(Records.begin() + Records.stream(4, parameters.flatMap { Records.pair($0.0, $0.1) }))
        client.send(Records.stream(5, body, chunk: shape.chunk, padding: shape.padding))
        #expect(Records.standardOutput(client.readAll()).hasSuffix("POST /x \(size) \(sum)"))
    }

    @Test func reportsABodyOverTheLimitAfterReadingIt() throws {
        let server = try TestServer(bodyLimit: 1_000, handler: echo)
        let answer = try server.client.exchange(
            [("REQUEST_METHOD", "POST")],
            body: .init(repeating: 65, count: 400_000)
        )
        #expect(answer.hasSuffix("error: the request body is larger than 1000 bytes"))
    }

    @Test func refusesLargeBodiesBeyondTheBudget() throws {
        let isFirst = Atomic<Bool>(true)
        let entered = Atomic<Bool>(false)
        let mayLeave = Atomic<Bool>(false)
        let server = try TestServer(workers: 3, bodyLimit: 100_000, bodyBudget: 150_000) { request, writer in
            if isFirst.exchange(false, ordering: .relaxed) {
                entered.store(true, ordering: .relaxed)
                while !mayLeave.load(ordering: .relaxed) { usleep(1_000) }
            }
            echo(request, &writer)
        }
        let large = [UInt8](repeating: 1, count: 100_000)
        let small = [UInt8](repeating: 1, count: BodyBudget.smallBody)
        func answer(_ body: [UInt8]) throws -> String {
            try server.client.exchange([("CONTENT_LENGTH", String(body.count))], body: body)
        }

        let held = try server.client
        held.send(Records.request([("CONTENT_LENGTH", "100000")], body: large))
        while !entered.load(ordering: .relaxed) { usleep(1_000) }
        #expect(try answer(large).hasSuffix("error: too many large requests at once"))
        #expect(try answer(small).contains(" \(small.count) "))
        mayLeave.store(true, ordering: .relaxed)
        #expect(Records.standardOutput(held.readAll()).contains(" 100000 "))
        // Its share is given back just after its connection is closed.
        var retries = 100
        while try answer(large).hasSuffix("at once"), retries > 0 { retries -= 1 }
        #expect(retries > 0)
    }

    @Test(arguments: ["4", "6", "-5", "five", "99999999999999999999"])
    func reportsAWrongContentLength(declared: String) throws {
        let server = try TestServer(handler: echo)
        let answer = try server.client.exchange([("CONTENT_LENGTH", declared)], body: Array("12345".utf8))
        #expect(answer.contains("CONTENT_LENGTH says \(declared), received 5 bytes"))
    }

    @Test func manyConnectionsOverFewWorkers() throws {
        let server = try TestServer(workers: 3, handler: echo)
        let clients = try (0..<40).map { _ in try server.client }
        for client in clients { client.send(Records.request([("REQUEST_URI", "/many")])) }
        for client in clients {
            #expect(Records.standardOutput(client.readAll()).hasSuffix("/many 0 0"))
            client.hangUp()
        }
    }

    @Test(arguments: [
        Array(Records.begin().prefix(5)),
        Records.begin() + Records.record(4, Records.pair("A", "B")),
        Records.begin() + Records.stream(4, Records.pair("CONTENT_LENGTH", "9")) + Records.record(5, [1, 2]),
    ])
    func dropsAHalfSentRequestInTime(bytes: [UInt8]) throws {
        let server = try TestServer(workers: 1, timeout: .milliseconds(200), handler: echo)
        let client = try server.client
        client.send(bytes)
        let start = ContinuousClock.now
        #expect(client.readAll().isEmpty)
        #expect(.now - start < .seconds(1))
        #expect(try server.client.exchange([("REQUEST_URI", "/next")]).hasSuffix("/next 0 0"))
    }

    @Test func dropsATrickledRequestAtTheDeadline() throws {
        let server = try TestServer(workers: 1, timeout: .milliseconds(300), handler: echo)
        let client = try server.client
        let start = ContinuousClock.now
        for byte in Records.begin() + Records.record(4, [UInt8](repeating: 1, count: 200)) {
            guard client.send([byte]) else { break }
            usleep(20_000)
        }
        #expect(.now - start < .seconds(2))
    }

    /// Each of these ends its own connection only; two of them kill a process that lets libfcgi 2.4.2 read them.
    @Test(arguments: [
        Records.begin(role: 2),
        Records.begin(role: 3),
        Records.begin() + Records.stream(4, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        Records.record(9, (0..<12).flatMap { _ in Records.pair("FCGI_MAX_CONNS", "") }, id: 0),
        Records.begin() + Records.stream(4, Records.pair("A", "B"))
            + Records.record(9, (0..<12).flatMap { _ in Records.pair("FCGI_MAX_CONNS", "") }, id: 0),
        Records.begin() + Records.record(4, [5, 5, 1], id: 2),
        Records.begin() + Records.stream(4, [5, 5, 1]),
        Records.begin() + Records.begin(),
        Records.begin() + Records.stream(4, []) + Records.record(2),
        [UInt8]("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8),
        Records.begin() + Records.stream(4, [UInt8](repeating: 0, count: 70_000)),
    ])
    func survivesMalformedRecords(bytes: [UInt8]) throws {
        let server = try TestServer(workers: 1, handler: echo)
        let client = try server.client
        client.send(bytes)
        #expect(client.readAll().isEmpty)
        #expect(try server.client.exchange([("REQUEST_URI", "/alive")]).hasSuffix("/alive 0 0"))
        #expect(server.drops.withLock { $0.count } == 1)
    }

    @Test func noticesThatTheClientWentAway() throws {
        let noticed = Mutex<Duration?>(nil)
        let server = try TestServer { _, writer in
            let start = ContinuousClock.now
            while .now - start < .seconds(3) {
                if writer.isClientGone() { return noticed.withLock { $0 = .now - start } }
                usleep(1_000)
            }
        }
        let client = try server.client
        client.send(Records.request([]))
        usleep(50_000)
        #expect(noticed.withLock { $0 } == nil)
        client.hangUp()
        usleep(50_000)
        #expect(try #require(noticed.withLock { $0 }) < .milliseconds(500))
    }

    /// The worker hears of it while it waits for something else; who stays is never taken for one who left.
    @Test func tellsOnceThatAClientWentAway() throws {
        let told = Mutex<[String: Int]>([:])
        let server = try TestServer(workers: 4) { request, writer in
            let path = request.path
            writer.whenClientGone { told.withLock { $0[path, default: 0] += 1 } }
            usleep(20_000)
            echo(request, &writer)
        }
        // Descriptors are used again and again by clients of both kinds.
        for round in 0..<15 {
            let clients = try (0..<4).map { _ in try server.client }
            for (index, client) in clients.enumerated() {
                client.send(Records.request([("REQUEST_URI", "/\(round)-\(index)")]))
            }
            usleep(8_000)
            for client in clients.prefix(2) { client.hangUp() }
            for client in clients.dropFirst(2) {
                #expect(!client.readAll().isEmpty)
                client.hangUp()
            }
        }
        let stayed = told.withLock { $0.keys.filter { $0.hasSuffix("-2") || $0.hasSuffix("-3") } }
        #expect(stayed.isEmpty)
        #expect(told.withLock { $0.values.allSatisfy { $0 == 1 } })
        #expect(told.withLock { $0.count } > 10)
    }

    @Test func neverStartsARequestThatWasAbandonedInTheQueue() throws {
        let started = Atomic<Int>(0)
        let server = try TestServer(workers: 1) { _, _ in
            started.add(1, ordering: .relaxed)
            usleep(150_000)
        }
        let first = try server.client
        first.send(Records.request([]))
        usleep(50_000)
        let second = try server.client
        second.send(Records.request([]))
        second.hangUp()
        _ = first.readAll()
        usleep(100_000)
        #expect(started.load(ordering: .relaxed) == 1)
    }

    @Test func givesUpAReaderThatStalls() throws {
        let ended = Mutex<Duration?>(nil)
        let server = try TestServer(timeout: .milliseconds(200)) { _, writer in
            let start = ContinuousClock.now
            writer.writeHead(status: 200, headers: [])
            while !writer.hasFailed, .now - start < .seconds(5) { writer.write([UInt8](repeating: 0, count: 100_000)) }
            ended.withLock { $0 = .now - start }
        }
        let client = try server.client
        client.send(Records.request([]))
        usleep(600_000)
        #expect(try #require(ended.withLock { $0 }) < .seconds(1))
        #expect(server.listener.busy == 0)
        client.hangUp()
    }

    /// It never stalls for the time-out, yet it holds its own worker no longer than the limit, and no other.
    @Test func givesUpAReaderThatTakesDropByDrop() throws {
        let ended = Mutex<Duration?>(nil)
        let server = try TestServer(sendLimit: .milliseconds(500)) { request, writer in
            guard request.path == "/large" else { return echo(request, &writer) }
            let start = ContinuousClock.now
            writer.writeHead(status: 200, headers: [])
            writer.write([UInt8](repeating: 0, count: 64 << 20))
            ended.withLock { $0 = .now - start }
        }
        let client = try server.client
        client.send(Records.request([("REQUEST_URI", "/large")]))
        let start = ContinuousClock.now
        var drop = [UInt8](repeating: 0, count: 20_000)
        while ended.withLock({ $0 }) == nil, .now - start < .seconds(5) {
            recv(client.descriptor, &drop, drop.count, 0)
            #expect(try server.client.exchange([("REQUEST_URI", "/other")]).hasSuffix("/other 0 0"))
            usleep(20_000)
        }
        #expect(try #require(ended.withLock { $0 }) < .seconds(3))
        let end = ContinuousClock.now + .seconds(2)
        while server.listener.busy > 0, .now < end { usleep(2_000) }
        #expect(server.listener.busy == 0)
        client.hangUp()
    }

    @Test func answersWhatItAcceptedBeforeStopping() throws {
        let server = try TestServer(workers: 1) { request, writer in
            usleep(100_000)
            echo(request, &writer)
        }
        let clients = try (0..<2).map { _ in try server.client }
        for client in clients { client.send(Records.request([("REQUEST_URI", "/last")])) }
        usleep(50_000)
        server.listener.stopAccepting()
        for client in clients { #expect(Records.standardOutput(client.readAll()).hasSuffix("/last 0 0")) }
        #expect(server.listener.waitUntilIdle(timeout: .seconds(2)))
        #expect(throws: SocketError.self) { try server.client }
        #expect(access(server.path, F_OK) != 0)
    }
}
