import Glibc

/// Time of day.
enum WallClock {
    /// Unix time in seconds.
    static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// UTC with milliseconds, as in 2026-01-31T12:00:00.123Z.
    static func timestamp() -> String {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        var fields = tm()
        gmtime_r(&time.tv_sec, &fields)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date = [(fields.tm_year + 1900, 4), (fields.tm_mon + 1, 2), (fields.tm_mday, 2)]
        let clock = [(fields.tm_hour, 2), (fields.tm_min, 2), (fields.tm_sec, 2)]
        return date.map { digits(Int($0), $1) }.joined(separator: "-") + "T"
            + clock.map { digits(Int($0), $1) }.joined(separator: ":") + "." + digits(time.tv_nsec / 1_000_000, 3) + "Z"
    }
}
