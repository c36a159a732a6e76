/// Every metric of the process, immutable after start; rendering reads atomics only and takes no lock.
package final class MetricsRegistry: Sendable {
    /// The Content-Type that a scrape needs.
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"
    private let families: [MetricFamily]

    package init(_ families: [MetricFamily]) {
        self.families = families
    }

    /// Prometheus text format 0.0.4.
    package func render() -> String {
        var text = PrometheusText()
        for family in families { text.append(family) }
        return text.output
    }
}
