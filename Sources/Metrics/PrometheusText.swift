/// Writes metric families as Prometheus text format 0.0.4
/// (https://prometheus.io/docs/instrumenting/exposition_formats/). Independent of locale.
struct PrometheusText {
    private(set) var output = ""

    mutating func append(_ family: MetricFamily) {
        output += "# HELP \(family.name) \(Self.escaped(family.help, quotes: false))\n"
        output += "# TYPE \(family.name) \(family.kind.rawValue)\n"
        for (labels, source) in family.series {
            switch source {
            case .counter(let counter): appendLine(family.name, labels, String(counter.value))
            case .gauge(let gauge): appendLine(family.name, labels, Self.number(gauge.value))
            case .histogram(let histogram): append(histogram, name: family.name, labels: labels)
            }
        }
    }

    private mutating func append(_ histogram: Histogram, name: String, labels: MetricFamily.Labels) {
        let reading = histogram.read()
        let bounds = histogram.bounds.map(Self.number) + ["+Inf"]
        for (bound, count) in zip(bounds, reading.cumulativeCounts) {
            appendLine(name + "_bucket", labels + [("le", bound)], String(count))
        }
        appendLine(name + "_sum", labels, Self.seconds(microseconds: reading.sumMicroseconds))
        appendLine(name + "_count", labels, String(reading.count))
    }

    private mutating func appendLine(_ name: String, _ labels: MetricFamily.Labels, _ value: String) {
        output += name
        if !labels.isEmpty {
            output += "{"
            output += labels.map { "\($0.name)=\"\(Self.escaped($0.value, quotes: true))\"" }.joined(separator: ",")
            output += "}"
        }
        output += " \(value)\n"
    }

    /// Integers exactly and without a fraction or exponent; others in the shortest form that reads back the same.
    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        if let integer = Int64(exactly: value) { return String(integer) }
        return String(describing: value)
    }

    /// Seconds with as many decimals as needed, computed in integers so that no digit is lost.
    static func seconds(microseconds: UInt64) -> String {
        let (whole, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        guard fraction > 0 else { return String(whole) }
        var digits = String(fraction + 1_000_000).dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return "\(whole).\(digits)"
    }

    static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\"" where quotes: result += "\\\""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
