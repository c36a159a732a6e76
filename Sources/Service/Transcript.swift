import FoundationEssentials

/// A recording's words, from what speech recognisers write: openai-whisper's JSON, whisper.cpp's JSON, or plain text.
///
/// Each segment becomes a line; time stamps are left out.
package struct Transcript: Sendable, Equatable {
    package static let maxBytes = 64 << 20

    package enum Format: String, Sendable { case openAIWhisper = "openai-whisper", whisperCpp = "whisper.cpp", text }

    package let format: Format
    package let text: String

    package init(path: String) throws(ServiceError) {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else {
            throw ServiceError("cannot read \(path); give a transcript: Whisper's JSON, or plain text")
        }
        guard data.count <= Self.maxBytes else {
            throw ServiceError(
                "\(path) is larger than \(Self.maxBytes >> 20) MiB; give the transcript of one recording"
            )
        }
        try self.init(data: data, source: path)
    }

    init(data: Data, source: String) throws(ServiceError) {
        // whisper.cpp may cut a character in two, at the seam of two segments.
        var content = String(decoding: data, as: UTF8.self)
        if content.hasPrefix("\u{FEFF}") { content.removeFirst() }
        if content.first(where: { !$0.isWhitespace }) == "{" {
            guard let file = try? JSONDecoder().decode(WhisperFile.self, from: Data(content.utf8)) else {
                throw ServiceError("\(source) begins like JSON but is no transcript of openai-whisper or whisper.cpp")
            }
            (format, text) = try file.transcript(source)
        } else {
            (format, text) = (.text, content.trimmed)
        }
        guard !text.isEmpty else { throw ServiceError("\(source) has no words") }
    }
}

/// `{"text","segments":[{"text"}],"language"}` of openai-whisper, `{"result","transcription":[{"text"}]}` of whisper.cpp.
private struct WhisperFile: Decodable {
    struct Segment: Decodable { let text: String }

    let text: String?
    let segments: [Segment]?
    let transcription: [Segment]?

    func transcript(_ source: String) throws(ServiceError) -> (Transcript.Format, String) {
        if let transcription { return (.whisperCpp, Self.lines(transcription)) }
        if let segments, !segments.isEmpty { return (.openAIWhisper, Self.lines(segments)) }
        if let text { return (.openAIWhisper, text.trimmed) }
        throw ServiceError(
            "\(source) has neither 'segments' and 'text' as openai-whisper writes, nor 'transcription' as whisper.cpp does"
        )
    }

    private static func lines(_ segments: [Segment]) -> String {
        segments.map(\.text.trimmed).filter { !$0.isEmpty }.joined(separator: "\n")
    }
}

extension String {
    fileprivate var trimmed: String {
        let start = drop(while: \.isWhitespace)
        return String(
            start[..<(start.lastIndex { !$0.isWhitespace }.map { start.index(after: $0) } ?? start.startIndex)]
        )
    }
}
