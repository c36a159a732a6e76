import Glibc

@testable import FastCGI

/// A FastCGI client of the test's own: builds records, well-formed or not, and reads the answer.
struct FastCGIClient {
    let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = try unixAddress(path)
        guard withSockAddress(&address, { connect(descriptor, $0, $1) }) == 0 else {
            throw SocketError("connect: \(systemError())")
        }
        // A test must fail, not hang.
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func hangUp() { close(descriptor) }

    /// Sends everything; false when the server closed meanwhile.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Reads until the server closes.
    func readAll() -> [UInt8] {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return all }
            all += chunk[..<count]
        }
    }

    /// Sends one request and returns the text of its STDOUT records.
    func exchange(_ parameters: [(String, String)], body: [UInt8] = []) -> String {
        send(Records.request(parameters, body: body))
        return Records.standardOutput(readAll())
    }
}

/// FastCGI 1.0 records as bytes.
enum Records {
    static func record(_ type: UInt8, _ content: [UInt8] = [], id: UInt16 = 1, padding: Int = 0) -> [UInt8] {
        let head: [UInt8] = [
            1, type, UInt8(id >> 8), UInt8(id & 0xff), UInt8(content.count >> 8), UInt8(content.count & 0xff),
            UInt8(padding), 0,
        ]
        return head + content + [UInt8](repeating: 0, count: padding)
    }

    static func begin(role: UInt8 = 1) -> [UInt8] { record(1, [0, role, 0, 0, 0, 0, 0, 0]) }

    static func length(_ count: Int) -> [UInt8] {
        if count < 128 { return [UInt8(count)] }
        return [UInt8(count >> 24) | 0x80, UInt8(count >> 16 & 0xff), UInt8(count >> 8 & 0xff), UInt8(count & 0xff)]
    }

    static func pair(_ name: String, _ value: String) -> [UInt8] {
        length(name.utf8.count) + length(value.utf8.count) + Array(name.utf8) + Array(value.utf8)
    }

    /// A stream of records of at most `chunk` bytes and the empty one that ends it.
    static func stream(_ type: UInt8, _ content: [UInt8], chunk: Int = 32_768, padding: Int = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: content.count, by: chunk) {
            bytes += record(type, Array(content[start..<min(start + chunk, content.count)]), padding: padding)
        }
        return bytes + record(type)
    }

    static func request(_ parameters: [(String, String)], body: [UInt8] = []) -> [UInt8] {
        var all = parameters
        if !body.isEmpty, !parameters.contains(where: { $0.0 == "CONTENT_LENGTH" }) {
            all.append(("CONTENT_LENGTH", String(body.count)))
        }
        return begin() + stream(4, all.flatMap { pair($0.0, $0.1) }) + stream(5, body)
    }

    static func standardOutput(_ bytes: [UInt8]) -> String {
        var output: [UInt8] = []
        var position = 0
        while position + 8 <= bytes.count {
            let length = Int(bytes[position + 4]) << 8 | Int(bytes[position + 5])
            let end = min(position + 8 + length, bytes.count)
            if bytes[position + 1] == 6 { output += bytes[position + 8..<end] }
            position = end + Int(bytes[position + 6])
        }
        return String(decoding: output, as: UTF8.self)
    }
}
