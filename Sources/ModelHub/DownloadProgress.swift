import Glibc

/// Shows how far a download is.
package protocol DownloadProgress: AnyObject {
    /// A file begins; `position` bytes of it are there already.
    func begin(_ name: String, size: Int, position: Int)
    func advance(to position: Int)
    func end(_ verdict: String)
    /// A line beside the bar.
    func note(_ line: String)
}

/// A bar that is drawn over itself on a terminal; elsewhere a line at a file's begin and end, and at each tenth of a large one.
package final class StandardErrorProgress: DownloadProgress {
    private static let largeBytes = 64 << 20

    private let isTerminal: Bool
    private var name = ""
    private var size = 0
    private var first = 0
    private var tenth = 0
    private var started = 0.0
    private var drawn = 0.0

    package init() { isTerminal = isatty(STDERR_FILENO) == 1 }

    package func begin(_ name: String, size: Int, position: Int) {
        self.name = name
        self.size = size
        first = position
        tenth = size > 0 ? 10 * position / size : 10
        started = Self.now
        drawn = 0
        guard !isTerminal else { return advance(to: position) }
        Self.put(
            "\(name): \(Self.amount(size))" + (position > 0 ? ", \(Self.amount(position)) of it here already" : "")
                + "\n"
        )
    }

    package func advance(to position: Int) {
        if isTerminal {
            let now = Self.now
            guard now - drawn > 0.1 || position == size else { return }
            drawn = now
            let rate = Int(Double(position - first) / max(now - started, 0.001))
            Self.put("\r\u{1B}[K" + Self.bar(name, position, size, rate: rate, width: Self.width))
        } else if size >= Self.largeBytes, 10 * position / size > tenth, position < size {
            tenth = 10 * position / size
            Self.put("\(name): \(10 * tenth) %\n")
        }
    }

    package func end(_ verdict: String) { Self.put((isTerminal ? "\r\u{1B}[K" : "") + "\(name): \(verdict)\n") }
    package func note(_ line: String) { Self.put((isTerminal ? "\r\u{1B}[K" : "") + line + "\n") }

    /// `model.safetensors [#####-----]  50 % of 1.2 GB, 9.8 MB/s`, at most `width` columns.
    static func bar(_ name: String, _ position: Int, _ size: Int, rate: Int, width: Int) -> String {
        let percent = size > 0 ? 100 * position / size : 100
        let padding = String(repeating: " ", count: percent < 10 ? 2 : percent < 100 ? 1 : 0)
        let tail = "\(padding)\(percent) % of \(amount(size)), \(amount(rate))/s"
        let cells = min(40, width - name.utf8.count - tail.utf8.count - 5)
        guard cells >= 5 else { return String("\(name) \(tail)".prefix(max(width - 1, 0))) }
        let full = cells * percent / 100
        let bar = String(repeating: "#", count: full) + String(repeating: "-", count: cells - full)
        return "\(name) [\(bar)] \(tail)"
    }

    /// `1.2 GB`, in powers of ten.
    package static func amount(_ bytes: Int) -> String {
        for (unit, name) in [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")] where bytes >= unit {
            let tenths = (bytes * 10 / unit)
            return tenths >= 1000 ? "\(tenths / 10) \(name)" : "\(tenths / 10).\(tenths % 10) \(name)"
        }
        return "\(bytes) B"
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static var width: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    private static func put(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
