import Glibc

/// What the kernel says about this process, in the units of the metrics.
package struct ProcessMemory: Sendable {
    /// Resident pages, of files and anonymous ones.
    package var residentBytes = 0
    package var virtualBytes = 0
    /// The highest `residentBytes` so far.
    package var peakResidentBytes = 0
    package var openFileDescriptors = 0
    /// User and system time of all threads.
    package var cpuSeconds = 0.0
    /// Unix time.
    package var startTimeSeconds = 0.0

    /// Reads /proc/self; what can't be read stays 0.
    package static func current() -> ProcessMemory {
        var result = ProcessMemory()
        let status = readFile("/proc/self/status")
        result.residentBytes = kibibytes(of: "VmRSS:", in: status) * 1024
        result.virtualBytes = kibibytes(of: "VmSize:", in: status) * 1024
        result.peakResidentBytes = kibibytes(of: "VmHWM:", in: status) * 1024
        result.openFileDescriptors = countFileDescriptors()
        result.cpuSeconds = cpuTime()
        result.startTimeSeconds = startTime
        return result
    }

    /// "VmRSS:     1234 kB" → 1234
    static func kibibytes(of key: String, in status: String) -> Int {
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(key) }) else { return 0 }
        return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0
    }

    private static func cpuTime() -> Double {
        var time = timespec()
        guard clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0 else { return 0 }
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func countFileDescriptors() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)  // ".", ".." and the directory itself
    }

    /// Boot time plus the process's start in clock ticks since boot (proc(5), field 22 of stat).
    private static let startTime: Double = {
        // The command name (field 2) may hold blanks and parentheses: count from its end.
        let afterName = readFile("/proc/self/stat").split(separator: ")").last ?? ""
        let fields = afterName.split(separator: " ")
        let boot = readFile("/proc/stat").split(separator: "\n").first { $0.hasPrefix("btime ") }?.dropFirst(6)
        let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))
        guard fields.count > 19, let ticks = Double(fields[19]), let boot = boot.flatMap({ Double($0) }),
            ticksPerSecond > 0
        else { return 0 }
        return boot + ticks / ticksPerSecond
    }()

    /// The text of a small file; empty if it cannot be read.
    static func readFile(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count < 1 << 20 {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { break }
            bytes += chunk.prefix(count)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
