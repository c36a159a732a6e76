import Glibc
import Testing

@testable import Metrics

@Suite struct ServerMetricsTests {
    private let hello = FixedReplyLabels(role: "chat", rule: "hello")

    private func makeMetrics() -> ServerMetrics {
        ServerMetrics(
            roles: ["chat", "sentiment", "chat"],
            fixedReplies: [hello, FixedReplyLabels(role: "other", rule: "other"), hello],
            build: [("version", "0.1.0"), ("model", "qwen \"1.5\"")]
        )
    }

    @Test func everyLabelValueExistsAtStart() {
        let text = makeMetrics().render()
        for role in ["chat", "sentiment", "other"] {
            for outcome in RequestOutcome.allCases {
                #expect(text.contains("llm_requests_total{role=\"\(role)\",outcome=\"\(outcome.rawValue)\"} 0\n"))
            }
            #expect(text.contains("llm_e2e_request_latency_seconds_count{role=\"\(role)\"} 0\n"))
        }
        for reason in RejectionReason.allCases {
            #expect(text.contains("llm_admission_rejections_total{reason=\"\(reason.rawValue)\"} 0\n"))
        }
        #expect(text.contains("llm_http_responses_total{class=\"5xx\"} 0\n"))
        #expect(text.contains("llm_build_info{version=\"0.1.0\",model=\"qwen \\\"1.5\\\"\"} 1\n"))
    }

    @Test(arguments: [
        "llm_num_requests_running", "llm_num_requests_waiting", "llm_kv_cache_usage_ratio",
        "llm_prefix_cache_queries_total", "llm_prefix_cache_hits_total", "llm_conversation_cache_hits_total",
        "llm_conversation_cache_tokens_total", "llm_kv_cache_cached_blocks", "llm_prompt_tokens_total",
        "llm_generation_tokens_total", "llm_requests_total", "llm_time_to_first_token_seconds",
        "llm_inter_token_latency_seconds", "llm_e2e_request_latency_seconds", "llm_request_queue_time_seconds",
        "llm_request_prefill_time_seconds", "llm_request_decode_time_seconds", "llm_admission_rejections_total",
        "llm_fixed_replies_total", "llm_cancellation_seconds", "llm_engine_step_seconds", "llm_self_checks_total",
        "llm_build_info",
        "llm_memory_budget_bytes",
        "llm_control_text_total", "llm_replies_total", "llm_role_reloads_total", "llm_role_last_reload_successful",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
        "process_start_time_seconds",
    ])
    func hasTheNamesDashboardsKnow(name: String) {
        let text = makeMetrics().render()
        #expect(text.contains("# HELP \(name) "))
        #expect(text.contains("# TYPE \(name) "))
    }

    @Test func countsUnderTheRightLabels() {
        let metrics = makeMetrics()
        metrics.countRequest(role: "chat", outcome: .success, seconds: 0.03)
        metrics.countRequest(role: "added-by-reload", outcome: .failed, seconds: 1)
        metrics.countFixedReply(hello)
        metrics.countFixedReply(FixedReplyLabels(role: "chat", rule: "added-by-reload"))
        metrics.countRejection(.tooLong)
        metrics.contracts.countReply(.ellipsis)
        metrics.contracts.countReload(.failed)
        metrics.countResponse(status: 204)
        metrics.countResponse(status: 999)
        let text = metrics.render()
        #expect(text.contains("llm_requests_total{role=\"chat\",outcome=\"success\"} 1\n"))
        #expect(text.contains("llm_replies_total{ending=\"own_end\"} 0\n"))
        #expect(text.contains("llm_replies_total{ending=\"ellipsis\"} 1\n"))
        #expect(text.contains("llm_role_reloads_total{outcome=\"failed\"} 1\n"))
        #expect(text.contains("llm_role_last_reload_successful 0\n"))
        metrics.contracts.countReload(.success)
        #expect(metrics.render().contains("llm_role_last_reload_successful 1\n"))
        #expect(text.contains("llm_requests_total{role=\"other\",outcome=\"failed\"} 1\n"))
        #expect(text.contains("llm_e2e_request_latency_seconds_bucket{role=\"chat\",le=\"0.025\"} 0\n"))
        #expect(text.contains("llm_e2e_request_latency_seconds_bucket{role=\"chat\",le=\"0.05\"} 1\n"))
        #expect(text.contains("llm_admission_rejections_total{reason=\"too_long\"} 1\n"))
        #expect(text.contains("llm_http_responses_total{class=\"2xx\"} 1\n"))
        let fixed = text.split(separator: "\n").filter { $0.hasPrefix("llm_fixed_replies_total{") }
        #expect(
            fixed == [
                "llm_fixed_replies_total{role=\"chat\",rule=\"hello\"} 1",
                "llm_fixed_replies_total{role=\"other\",rule=\"other\"} 1",
            ]
        )
        #expect(metrics.requestsEnded == 2)
    }

    @Test func rendersProcessValues() throws {
        let text = makeMetrics().render()
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("process_resident_memory_bytes ") })
        #expect(try #require(line.split(separator: " ").last.flatMap { Int($0) }) > 1 << 20)
    }

    static let hasPromtool = access("/usr/bin/promtool", X_OK) == 0 || access("/usr/local/bin/promtool", X_OK) == 0

    @Test(.enabled(if: hasPromtool, "promtool (Debian package prometheus) is not installed"))
    func promtoolFindsNothing() throws {
        let metrics = makeMetrics()
        metrics.countRequest(role: "chat", outcome: .success, seconds: 0.1234567)
        metrics.kvCacheUsage.set(1.0 / 3)
        metrics.promptTokens.add(1_423_152)
        let result = try promtoolCheck(metrics.render())
        #expect(result.status == 0)
        #expect(result.output == "")
    }

    @Test(.enabled(if: hasPromtool, "promtool (Debian package prometheus) is not installed"))
    func promtoolNoticesABadName() throws {
        let bad = MetricsRegistry([.counter("llm_tokens", "Lacks its suffix.", Counter())]).render()
        #expect(try promtoolCheck(bad).status != 0)
    }

    /// Runs `promtool check metrics` over the text: its exit status and all that it prints.
    private func promtoolCheck(_ text: String) throws -> (status: Int32, output: String) {
        var path = Array("/tmp/metrics-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        try #require(descriptor >= 0)
        let name = String(decoding: path.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { unlink(name) }
        let written = Array(text.utf8).withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
        close(descriptor)
        try #require(written == text.utf8.count)
        let pipe = try #require(popen("promtool check metrics < \(name) 2>&1", "r"))
        var output: [UInt8] = []
        while case let byte = fgetc(pipe), byte != EOF { output.append(UInt8(truncatingIfNeeded: byte)) }
        return (pclose(pipe), String(decoding: output, as: UTF8.self))
    }
}
