/// Why a connection's bytes are not a request that may reach libfcgi.
package enum RecordError: Error, Equatable, CustomStringConvertible {
    case version(UInt8)
    case unexpectedRecord(type: UInt8)
    case foreignRequest
    case role(UInt16)
    case lengthTooLong(limit: Int)
    case parametersTooLong(limit: Int)
    case truncatedParameters

    package var description: String {
        switch self {
        case .version(let found): "FastCGI version \(found) instead of 1"
        case .unexpectedRecord(let type): "unexpected FastCGI record type \(type)"
        case .foreignRequest: "a record of another request id on the connection"
        case .role(let role): "FastCGI role \(role) instead of 1 (responder)"
        case .lengthTooLong(let limit): "a parameter longer than \(limit) bytes"
        case .parametersTooLong(let limit): "parameters longer than \(limit) bytes in all"
        case .truncatedParameters: "the parameters end inside a name or value"
        }
    }
}

/// Follows a connection's FastCGI records byte by byte and refuses whatever a plain responder request does not contain:
/// BEGIN_REQUEST with role 1, PARAMS… up to an empty one, STDIN… up to an empty one (FastCGI 1.0, section 5).
///
/// libfcgi 2.4.2 dies of over-long parameter lengths and of some management records; neither passes here.
package struct RecordFilter {
    package enum Phase: Equatable { case begin, parameters, body, ended }

    /// nginx sends at most its header buffers (4 × 8 KiB) and a few fixed parameters.
    package static let maxParameterBytes = 64 * 1024

    package private(set) var phase = Phase.begin
    /// Bytes of STDIN content announced so far.
    package private(set) var bodyBytes = 0

    private var header: [UInt8] = []
    private var record = Record()
    private var parameterBytes = 0
    private var pair = PairLengths()
    private var beginBody: [UInt8] = []

    /// What is left of the record whose header was read last.
    private struct Record {
        var type: UInt8 = 0
        var requestID: UInt16 = 0
        var content = 0
        var padding = 0
    }

    package init() { header.reserveCapacity(8) }

    /// Takes the next bytes of the connection; bytes behind the end of the request are not looked at.
    package mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(RecordError) {
        var position = 0
        while position < bytes.count, phase != .ended {
            if record.content > 0 {
                let part = min(record.content, bytes.count - position)
                try consumeContent(UnsafeRawBufferPointer(rebasing: bytes[position..<position + part]))
                record.content -= part
                position += part
            } else if record.padding > 0 {
                let part = min(record.padding, bytes.count - position)
                record.padding -= part
                position += part
            } else {
                header.append(bytes[position])
                position += 1
                if header.count == 8 { try beginRecord() }
            }
        }
    }

    private mutating func beginRecord() throws(RecordError) {
        defer { header.removeAll(keepingCapacity: true) }
        guard header[0] == 1 else { throw .version(header[0]) }
        let requestID = UInt16(header[2]) << 8 | UInt16(header[3])
        let next = Record(
            type: header[1],
            requestID: requestID,
            content: Int(header[4]) << 8 | Int(header[5]),
            padding: Int(header[6])
        )
        switch (phase, next.type) {
        case (.begin, 1) where next.content == 8 && requestID != 0:
            break
        case (.parameters, 4), (.body, 5):
            guard requestID == record.requestID else { throw .foreignRequest }
            try announce(content: next.content)
        default:
            throw .unexpectedRecord(type: next.type)
        }
        record = next
    }

    /// Counts a PARAMS or STDIN record; an empty one ends its stream.
    private mutating func announce(content: Int) throws(RecordError) {
        if phase == .body {
            bodyBytes += content
            if content == 0 { phase = .ended }
            return
        }
        parameterBytes += content
        guard parameterBytes <= Self.maxParameterBytes else { throw .parametersTooLong(limit: Self.maxParameterBytes) }
        if content == 0 {
            guard pair.isComplete else { throw .truncatedParameters }
            phase = .body
        }
    }

    private mutating func consumeContent(_ content: UnsafeRawBufferPointer) throws(RecordError) {
        switch phase {
        case .begin:
            beginBody.append(contentsOf: content)
            guard beginBody.count == 8 else { return }
            let role = UInt16(beginBody[0]) << 8 | UInt16(beginBody[1])
            guard role == 1 else { throw .role(role) }
            phase = .parameters
        case .parameters: try pair.consume(content)
        case .body, .ended: break
        }
    }
}

/// Follows the name-value pairs of a PARAMS stream (FastCGI 1.0, section 3.4): two lengths of one or four bytes, then
/// that many bytes of name and value.
struct PairLengths {
    private var lengths: [Int] = []
    private var partial: [UInt8] = []
    private var skip = 0

    /// True between two pairs.
    var isComplete: Bool { skip == 0 && lengths.isEmpty && partial.isEmpty }

    mutating func consume(_ bytes: UnsafeRawBufferPointer) throws(RecordError) {
        var position = 0
        while position < bytes.count {
            if skip > 0 {
                let part = min(skip, bytes.count - position)
                skip -= part
                position += part
                continue
            }
            try consumeLength(bytes[position])
            position += 1
        }
    }

    private mutating func consumeLength(_ byte: UInt8) throws(RecordError) {
        partial.append(byte)
        if partial[0] & 0x80 == 0 {
            lengths.append(Int(byte))
        } else if partial.count == 4 {
            lengths.append(partial.dropFirst().reduce(Int(partial[0] & 0x7f)) { $0 << 8 | Int($1) })
        } else {
            return
        }
        partial.removeAll(keepingCapacity: true)
        guard let last = lengths.last, last <= RecordFilter.maxParameterBytes else {
            throw .lengthTooLong(limit: RecordFilter.maxParameterBytes)
        }
        if lengths.count == 2 {
            skip = lengths[0] + lengths[1]
            lengths.removeAll(keepingCapacity: true)
        }
    }
}
