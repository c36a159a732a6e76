import Glibc

/// The limit that the kernel sets to this process's memory: its control group's or that of one above it, whichever is lowest.
package struct ControlGroupLimit: Sendable, Equatable {
    package let bytes: Int
    /// The file that says so.
    package let path: String

    package init(bytes: Int, path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// nil where there is none, or none that can be read.
    ///
    /// - Parameters:
    ///   - membership: the process's groups, as in proc(5): lines of `id:controllers:path`.
    ///   - root: where the groups' file systems are mounted.
    package static func find(membership: String = "/proc/self/cgroup", root: String = "/sys/fs/cgroup") -> Self? {
        var lowest: Self?
        for line in ProcessMemory.readFile(membership).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let files: [(folder: String, name: String)]
            if parts[1].isEmpty {  // version 2, also where it is mounted beside version 1
                files = [("", "memory.max"), ("/unified", "memory.max")]
            } else if parts[1].split(separator: ",").contains("memory") {
                files = [("/memory", "memory.limit_in_bytes")]
            } else {
                continue
            }
            for (folder, name) in files {
                for group in ancestors(of: parts[2]) {
                    let path = root + folder + group + "/" + name
                    // No limit is `max` in version 2, which is no number, and nearly 2^63 in version 1.
                    guard let bytes = Int(ProcessMemory.readFile(path).prefix { $0 != "\n" }) else { continue }
                    if bytes < lowest?.bytes ?? 1 << 60 { lowest = Self(bytes: bytes, path: path) }
                }
            }
        }
        return lowest
    }

    /// "/a/b" → "/a/b", "/a", "". Within a container, the upper ones may not be there; the root always is.
    private static func ancestors(of group: Substring) -> [String] {
        let names = group.split(separator: "/")
        return (0...names.count).reversed().map { count in names.prefix(count).reduce("") { $0 + "/" + $1 } }
    }
}
