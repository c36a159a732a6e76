/// The names: vLLM's stems with the prefix `llm_`, which dashboards know, and Prometheus's own `process_` names.
extension ServerMetrics {
    var families: [MetricFamily] {
        engineFamilies + latencyFamilies + requestFamilies + contracts.families + buildFamilies + process.families
            + snapshot.families
    }

    private var engineFamilies: [MetricFamily] {
        [
            .gauge("llm_num_requests_running", "Sequences in the batch.", requestsRunning),
            .gauge("llm_num_requests_waiting", "Requests in the queue.", requestsWaiting),
            .gauge("llm_kv_cache_usage_ratio", "Share of the KV blocks in use, from 0 to 1.", kvCacheUsage),
            .gauge(
                "llm_kv_cache_cached_blocks",
                "KV blocks not in use that hold what ended requests computed.",
                kvCacheCachedBlocks
            ),
            .counter(
                "llm_prefix_cache_queries_total",
                "Prompt tokens looked up in the prefix cache.",
                prefixCacheQueries
            ),
            .counter("llm_prefix_cache_hits_total", "Prompt tokens taken from the prefix cache.", prefixCacheHits),
            .counter(
                "llm_conversation_cache_hits_total",
                "Requests that went on from what an earlier one computed, beyond a role's prefix.",
                conversationCacheHits
            ),
            .counter(
                "llm_conversation_cache_tokens_total",
                "Prompt tokens that these took from the prefix cache, beyond a role's prefix.",
                conversationCacheTokens
            ),
            .counter("llm_prompt_tokens_total", "Prompt tokens of started requests, cached ones too.", promptTokens),
            .counter("llm_generation_tokens_total", "Tokens generated.", generationTokens),
            .counters(
                "llm_coarse_output_tokens_total",
                "Tokens looked for in the coarse output matrix, by whether it could prove them.",
                [([("result", "proved")], coarseProved), ([("result", "not_proved")], coarseUnproved)]
            ),
        ]
    }

    private var latencyFamilies: [MetricFamily] {
        [
            .histogram(
                "llm_time_to_first_token_seconds",
                "Submission to the first generated token; replies only.",
                timeToFirstToken
            ),
            .histogram(
                "llm_inter_token_latency_seconds",
                "Time between generated tokens; replies only.",
                interTokenLatency
            ),
            .histogram("llm_request_queue_time_seconds", "Submission to admission into the batch.", queueTime),
            .histogram("llm_request_prefill_time_seconds", "Admission to the end of the prompt.", prefillTime),
            .histogram("llm_request_decode_time_seconds", "End of the prompt to the end of the request.", decodeTime),
            .histogram("llm_engine_step_seconds", "One forward pass of the batch, with what belongs to it.", stepTime),
            .histogram(
                "llm_cancellation_seconds",
                "From seeing that a client is gone, or out of time, to its sequence and KV blocks being free.",
                cancellationTime
            ),
        ]
    }

    private var requestFamilies: [MetricFamily] {
        [
            .counters(
                "llm_requests_total",
                "Requests by role and how they ended.",
                roles.flatMap { role in
                    RequestOutcome.allCases.compactMap { outcome in
                        (requestCounters[role]?[outcome]).map {
                            ([("role", role), ("outcome", outcome.rawValue)], $0)
                        }
                    }
                }
            ),
            .histograms(
                "llm_e2e_request_latency_seconds",
                "Request read to response written, by role.",
                roles.compactMap { role in requestLatencies[role].map { ([("role", role)], $0) } }
            ),
            .counters(
                "llm_fixed_replies_total",
                "Requests answered with the fixed text of a role's rule.",
                fixedReplyCounters.map { ([("role", $0.labels.role), ("rule", $0.labels.rule)], $0.counter) }
            ),
            .counters(
                "llm_admission_rejections_total",
                "Requests not taken in, or turned away before they started, by reason.",
                RejectionReason.allCases.compactMap { reason in
                    rejectionCounters[reason].map { ([("reason", reason.rawValue)], $0) }
                }
            ),
            .counters(
                "llm_http_responses_total",
                "HTTP responses by class of status.",
                responseCounters.enumerated().map { ([("class", "\($0.offset + 1)xx")], $0.element) }
            ),
        ]
    }

    private var buildFamilies: [MetricFamily] {
        [
            .gauge("llm_build_info", "Always 1; what runs is in the labels.", Gauge(1), labels: build),
            .counters(
                "llm_self_checks_total",
                "Checks of the model's weights and the canary's bits against those recorded, by result.",
                SelfCheckResult.allCases.compactMap { result in
                    selfCheckCounters[result].map { ([("result", result.rawValue)], $0) }
                }
            ),
            .gauge("llm_memory_budget_bytes", "Worst case of resident memory, computed at start.", memoryBudgetBytes),
        ]
    }
}
