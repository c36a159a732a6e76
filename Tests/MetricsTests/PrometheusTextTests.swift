import Testing

@testable import Metrics

@Suite struct PrometheusTextTests {
    @Test func printsIntegersExactly() {
        let counter = Counter()
        counter.add(1_423_152)
        counter.add(-5)
        let text = MetricsRegistry([.counter("a_total", "Help.", counter)]).render()
        #expect(text == "# HELP a_total Help.\n# TYPE a_total counter\na_total 1423152\n")
        #expect(PrometheusText.number(17_179_869_184) == "17179869184")
        #expect(PrometheusText.number(9_007_199_254_740_991) == "9007199254740991")
    }

    @Test func printsFractionsAndSpecialValues() {
        #expect(PrometheusText.number(0.25) == "0.25")
        #expect(PrometheusText.number(-0.5) == "-0.5")
        #expect(PrometheusText.number(.nan) == "NaN")
        #expect(PrometheusText.number(.infinity) == "+Inf")
        #expect(PrometheusText.number(-.infinity) == "-Inf")
        #expect(PrometheusText.seconds(microseconds: 12_345_678) == "12.345678")
        #expect(PrometheusText.seconds(microseconds: 3_000_100) == "3.0001")
        #expect(PrometheusText.seconds(microseconds: 7_000_000) == "7")
        #expect(PrometheusText.seconds(microseconds: 0) == "0")
    }

    @Test func escapesLabelsAndHelp() {
        let gauge = Gauge(1)
        let text = MetricsRegistry([
            .gauge("g", "One\nline \\ \"q\".", gauge, labels: [("model", "a\"b\\c\nd中")])
        ]).render()
        #expect(text == "# HELP g One\\nline \\\\ \"q\".\n# TYPE g gauge\ng{model=\"a\\\"b\\\\c\\nd中\"} 1\n")
    }

    @Test func rendersHistogramCumulatively() {
        let histogram = Histogram(bounds: [0.05, 1])
        histogram.observe(0.01)
        histogram.observe(2.5)
        let text = MetricsRegistry([.histograms("h_seconds", "H.", [([("role", "chat")], histogram)])]).render()
        #expect(
            text == """
                # HELP h_seconds H.
                # TYPE h_seconds histogram
                h_seconds_bucket{role="chat",le="0.05"} 1
                h_seconds_bucket{role="chat",le="1"} 1
                h_seconds_bucket{role="chat",le="+Inf"} 2
                h_seconds_sum{role="chat"} 2.51
                h_seconds_count{role="chat"} 2

                """
        )
    }
}
