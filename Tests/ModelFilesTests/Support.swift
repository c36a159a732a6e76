import Glibc
import ModelFiles
import Testing

/// Files beside the tests that other software wrote; `Tests/Reference/make_model_fixtures.py` makes them.
enum Fixtures {
    static let quants = path("quants.gguf")
    static let formats = path("formats.gguf")
    static let tinyQwen2 = path("tiny-qwen2")

    private static func path(_ name: String) -> String {
        let parts = #filePath.split(separator: "/").dropLast(2)
        return "/" + parts.joined(separator: "/") + "/Reference/model-files/" + name
    }
}

/// A folder that lives as long as the object.
final class TemporaryFolder {
    let path: String

    init() throws {
        var template = Array("/tmp/model-files-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw POSIXError(code: errno) }
        path = String(cString: made)
    }

    struct POSIXError: Error { let code: Int32 }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        for name in entries(path) {
            let child = "\(path)/\(name)"
            if unlink(child) != 0 { remove(child) }
        }
        rmdir(path)
    }

    private static func entries(_ path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names
    }

    var names: [String] { Self.entries(path).sorted() }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    @discardableResult
    func write(_ bytes: [UInt8], to name: String) throws -> String {
        let target = file(name)
        guard let handle = fopen(target, "w") else { throw POSIXError(code: errno) }
        defer { fclose(handle) }
        guard fwrite(bytes, 1, bytes.count, handle) == bytes.count else { throw POSIXError(code: errno) }
        return target
    }

    @discardableResult
    func write(_ text: String, to name: String) throws -> String { try write(Array(text.utf8), to: name) }
}

func readFile(_ path: String) throws -> [UInt8] {
    guard let handle = fopen(path, "r") else { throw TemporaryFolder.POSIXError(code: errno) }
    defer { fclose(handle) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&buffer, 1, buffer.count, handle), count > 0 { bytes += buffer[..<count] }
    return bytes
}

/// The message with which `body` fails; a test failure when it does not.
func message(_ body: () throws -> Void, _ place: SourceLocation = #_sourceLocation) -> String {
    do {
        try body()
    } catch {
        let text = "\(error)"
        #expect(!text.contains("\n"), "one line", sourceLocation: place)
        return text
    }
    Issue.record("no error was thrown", sourceLocation: place)
    return ""
}

func littleEndian<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
}

extension TensorView {
    var array: [UInt8] { Array(bytes) }
}

/// A safetensors file of a header as given and data.
func safetensors(_ header: String, data: [UInt8]) -> [UInt8] {
    littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + data
}

/// A well-formed safetensors file of tensors in order.
func safetensors(_ tensors: [(name: String, dtype: String, shape: [Int], data: [UInt8])]) -> [UInt8] {
    var entries: [String] = []
    var data: [UInt8] = []
    for tensor in tensors {
        let end = data.count + tensor.data.count
        entries.append(
            #""\#(tensor.name)":{"dtype":"\#(tensor.dtype)","shape":\#(tensor.shape),"data_offsets":[\#(data.count),\#(end)]}"#
        )
        data += tensor.data
    }
    return safetensors("{" + entries.joined(separator: ",") + "}", data: data)
}
