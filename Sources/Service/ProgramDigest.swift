import CKernels
import Glibc

/// A fingerprint of an executable file.
enum ProgramDigest {
    /// 0 if the file cannot be read.
    static func of(_ path: String) -> UInt64 {
        guard let file = fopen(path, "r") else { return 0 }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        var digest: UInt64 = 0
        while true {
            let count = fread(&bytes, 1, bytes.count, file)
            guard count > 0 else { return digest }
            digest = ck_digest(digest, bytes, count)
        }
    }
}
