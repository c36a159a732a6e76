import Glibc

/// One HTTP request by the system's `curl`: its arguments are the same every time, all else goes through its standard input,
/// where no list of processes shows it. Redirects are not followed.
struct Curl {
    /// Seconds that a connection may take, and seconds with under `slowBytes` bytes each after which it counts as lost.
    private static let connectSeconds = 20
    private static let stallSeconds = 60
    private static let slowBytes = 200
    private static let arguments = ["curl", "--disable", "--config", "-"]
    private static let hidden: Set<String> = ["HF_TOKEN", "MODELSCOPE_API_TOKEN"]

    var address: WebAddress
    var headers: [String] = []
    /// Asks for the bytes from here on.
    var start = 0
    /// For the whole request; nil where its size is not known.
    var maxSeconds: Int?

    /// Why curl gave up, in its own words.
    struct Failure: Equatable {
        let code: Int32
        let message: String

        /// Whether another try could end otherwise: not with wrong arguments or a certificate that is not trusted.
        var mayPass: Bool { ![1, 2, 3, 4, 5, 23, 27, 48, 51, 53, 58, 59, 60, 66, 77, 83, 90, 91].contains(code) }
    }

    /// Runs to the end. head gets the response's head and says whether the content is wanted, which body then gets piece by
    /// piece; an error of theirs ends curl.
    func run(
        head: (ResponseHead) throws(HubError) -> Bool,
        body: (UnsafeRawBufferPointer) throws(HubError) -> Void
    ) throws(HubError) -> Failure? {
        let process = try ChildProcess(Self.arguments, hiding: Self.hidden, input: Array(configuration.utf8))
        var reader = ResponseReader()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { buffer.deallocate() }
        do {
            while case let count = process.read(into: buffer), count > 0 {
                guard try reader.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]), head: head, body: body) else {
                    process.kill()
                    return nil
                }
            }
        } catch {
            process.kill()
            throw error
        }
        let (code, message) = process.finish()
        if code == 0, !reader.isInBody { return Failure(code: 52, message: "the answer has no head") }
        return code == 0 ? nil : Failure(code: code, message: printable(message))
    }

    /// curl's configuration file; values in quotes, which neither an address nor a header here can hold.
    private var configuration: String {
        var lines = [
            "url = \"\(address)\"", "include", "silent", "show-error", "globoff", "suppress-connect-headers",
            "proto = \"=http,https\"", "user-agent = \"qwen-all-in-one\"", "connect-timeout = \(Self.connectSeconds)",
            "speed-limit = \(Self.slowBytes)", "speed-time = \(Self.stallSeconds)",
        ]
        lines += headers.map { "header = \"\($0)\"" }
        if start > 0 { lines.append("range = \"\(start)-\"") }
        if let maxSeconds { lines.append("max-time = \(maxSeconds)") }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Splits what curl writes into the last head (others are interim answers) and the body.
private struct ResponseReader {
    private var head: [UInt8] = []
    private(set) var isInBody = false

    /// Gives whether more is wanted.
    mutating func add(
        _ bytes: UnsafeRawBufferPointer,
        head wants: (ResponseHead) throws(HubError) -> Bool,
        body: (UnsafeRawBufferPointer) throws(HubError) -> Void
    ) throws(HubError) -> Bool {
        var rest = bytes[...]
        while !isInBody, let byte = rest.popFirst() {
            head.append(byte)
            guard head.count <= ResponseHead.maxBytes else {
                throw HubError("the server's answer has no end of its head")
            }
            guard head.suffix(4).elementsEqual("\r\n\r\n".utf8) else { continue }
            guard let parsed = ResponseHead(head) else { throw HubError("the server's answer is no HTTP") }
            head.removeAll()
            guard parsed.status >= 200 else { continue }
            isInBody = true
            guard try wants(parsed) else { return false }
        }
        if !rest.isEmpty { try body(UnsafeRawBufferPointer(rebasing: rest)) }
        return true
    }
}
