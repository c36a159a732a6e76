import Glibc
package import Logging

/// Writes one JSON object a line to standard error: time, level, message, then the metadata's members.
package struct JSONLogHandler: LogHandler {
    package var logLevel = Logger.Level.info
    package var metadata: Logger.Metadata = [:]
    private let label: String

    package init(label: String) { self.label = label }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let line = Self.line(
            time: WallClock.timestamp(),
            level: event.level,
            message: "\(event.message)",
            metadata: metadata.merging(event.metadata ?? [:]) { $1 }
        )
        // One write for the whole line, so that lines of several threads do not mix.
        _ = line.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// Numbers are those given as `.stringConvertible`; all else is text.
    static func line(time: String, level: Logger.Level, message: String, metadata: Logger.Metadata) -> [UInt8] {
        var members = [
            JSONValue.Member(name: "time", value: .string(time)),
            JSONValue.Member(name: "level", value: .string(level.rawValue)),
            JSONValue.Member(name: "message", value: .string(message)),
        ]
        for (name, value) in metadata.sorted(by: { $0.key < $1.key }) {
            members.append(JSONValue.Member(name: name, value: json(value)))
        }
        return JSONValue.object(members).encoded + [UInt8(ascii: "\n")]
    }

    private static func json(_ value: Logger.MetadataValue) -> JSONValue {
        guard case .stringConvertible(let number) = value else { return .string("\(value)") }
        if let integer = number as? any BinaryInteger { return .integer(Int(clamping: integer)) }
        if let double = number as? Double { return .number(double) }
        return .string("\(value)")
    }
}
