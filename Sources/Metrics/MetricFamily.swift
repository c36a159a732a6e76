/// One metric name with its help, type and every labelled series, all fixed at start.
package struct MetricFamily: Sendable {
    package enum Kind: String, Sendable { case counter, gauge, histogram }
    package typealias Labels = [(name: String, value: String)]

    enum Source: Sendable {
        case counter(Counter)
        case gauge(Gauge)
        case histogram(Histogram)
    }

    let name: String
    let help: String
    let kind: Kind
    let series: [(labels: Labels, source: Source)]

    package static func counter(_ name: String, _ help: String, _ counter: Counter) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .counter, series: [([], .counter(counter))])
    }

    package static func counters(_ name: String, _ help: String, _ series: [(Labels, Counter)]) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .counter, series: series.map { ($0, .counter($1)) })
    }

    /// A counter whose value something else keeps (the kernel, for instance) and that is copied before rendering.
    package static func counterReading(_ name: String, _ help: String, _ reading: Gauge) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .counter, series: [([], .gauge(reading))])
    }

    package static func gauge(
        _ name: String,
        _ help: String,
        _ gauge: Gauge,
        labels: Labels = []
    ) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .gauge, series: [(labels, .gauge(gauge))])
    }

    package static func histogram(_ name: String, _ help: String, _ histogram: Histogram) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .histogram, series: [([], .histogram(histogram))])
    }

    package static func histograms(_ name: String, _ help: String, _ series: [(Labels, Histogram)]) -> MetricFamily {
        MetricFamily(name: name, help: help, kind: .histogram, series: series.map { ($0, .histogram($1)) })
    }
}
