import Metrics
import Roles
import Scheduling

/// `GET /status.json`: what the status page draws. Times are Unix seconds, sizes bytes, durations seconds.
struct StatusReport: Sendable {
    let state: ServiceState
    let workers: @Sendable () -> (busy: Int, queued: Int, total: Int)
    private let startTime = WallClock.now()

    init(state: ServiceState, workers: @escaping @Sendable () -> (busy: Int, queued: Int, total: Int)) {
        self.state = state
        self.workers = workers
    }

    var json: JSONValue {
        let now = WallClock.now()
        let workers = workers()
        return [
            "state": .string(state.name),
            "time": .number(now.rounded(decimals: 3)),
            "uptime_seconds": .number((now - startTime).rounded(decimals: 3)),
            "build": ["name": .string(Build.name), "version": .string(Build.version)],
            "model": model,
            "memory": memory,
            "engine": engine,
            "workers": [
                "busy": .integer(workers.busy), "queued": .integer(workers.queued), "total": .integer(workers.total),
            ],
            "tokens": [
                "prompt": count(state.metrics.promptTokens), "cached": count(state.metrics.prefixCacheHits),
                "generated": count(state.metrics.generationTokens),
            ],
            "roles": roles,
            "self_check": selfCheck,
            "latency_seconds": [
                "time_to_first_token": summary(state.metrics.timeToFirstToken),
                "inter_token": summary(state.metrics.interTokenLatency),
                "queue": summary(state.metrics.queueTime),
                "prefill": summary(state.metrics.prefillTime),
                "decode": summary(state.metrics.decodeTime),
            ],
        ]
    }

    private var model: JSONValue {
        switch state.phase {
        case .ready(let engine), .draining(.some(let engine)):
            engine.summary.json(trained: engine.offer.trained)
        case .loading, .draining(.none): .null
        }
    }

    private var selfCheck: JSONValue {
        let check = state.selfCheck
        guard let result = check.result else { return ["result": "pending"] }
        return [
            "result": .string(result.rawValue), "time": .number(check.time.rounded(decimals: 3)),
            "reason": state.fault.map { .string($0.reason) } ?? .null,
        ]
    }

    private var memory: JSONValue {
        let memory = ProcessMemory.current()
        return [
            "resident_bytes": .integer(memory.residentBytes),
            "peak_resident_bytes": .integer(memory.peakResidentBytes),
            "budget_bytes": .integer(Int(state.metrics.memoryBudgetBytes.value)),
            "history": .array(
                state.memory.samples.map { sample in
                    [
                        "time": .number(sample.time.rounded(decimals: 3)),
                        "resident_bytes": .integer(sample.residentBytes),
                        "virtual_bytes": .integer(sample.virtualBytes),
                        "requests": .integer(Int(clamping: sample.requests)),
                    ]
                }
            ),
        ]
    }

    private var engine: JSONValue {
        guard let snapshot = state.snapshot else { return .null }
        return [
            "running": .integer(snapshot.running), "waiting": .integer(snapshot.waiting),
            "max_sequences": .integer(snapshot.maxSequences), "queue_limit": .integer(snapshot.queueLimit),
            "steps": .integer(Int(clamping: snapshot.steps)),
            "kv_blocks": [
                "used": .integer(snapshot.kvBlocksUsed), "pinned": .integer(snapshot.kvBlocksPinned),
                "cached": .integer(snapshot.kvBlocksCached), "total": .integer(snapshot.kvBlocksTotal),
            ],
            "sequences": .array(
                snapshot.sequences.map { sequence in
                    [
                        "slot": .integer(sequence.slot), "prompt_tokens": .integer(sequence.promptTokens),
                        "computed_tokens": .integer(sequence.computedTokens),
                        "generated_tokens": .integer(sequence.generatedTokens),
                        "seconds": .number(sequence.seconds.rounded(decimals: 3)),
                    ]
                }
            ),
        ]
    }

    private var roles: JSONValue {
        .object(
            state.metrics.roles.map { role in
                let counters = state.metrics.requestCounters[role] ?? [:]
                let outcomes = RequestOutcome.allCases.compactMap { outcome in
                    counters[outcome].map { JSONValue.Member(name: outcome.rawValue, value: count($0)) }
                }
                let latency = state.metrics.requestLatencies[role].map(summary) ?? .null
                return JSONValue.Member(name: role, value: ["requests": .object(outcomes), "latency_seconds": latency])
            }
        )
    }

    private func count(_ counter: Counter) -> JSONValue { .integer(Int(clamping: counter.value)) }

    /// Count, mean and quantiles; quantiles are interpolated within a bucket, as Prometheus does.
    private func summary(_ histogram: Histogram) -> JSONValue {
        let reading = histogram.read()
        guard reading.count > 0 else { return ["count": 0] }
        let mean = Double(reading.sumMicroseconds) / 1e6 / Double(reading.count)
        return [
            "count": .integer(Int(clamping: reading.count)), "mean": .number(mean.rounded(decimals: 6)),
            "p50": .number(reading.quantile(0.5, bounds: histogram.bounds).rounded(decimals: 6)),
            "p90": .number(reading.quantile(0.9, bounds: histogram.bounds).rounded(decimals: 6)),
            "p99": .number(reading.quantile(0.99, bounds: histogram.bounds).rounded(decimals: 6)),
        ]
    }
}

extension Histogram.Reading {
    /// An estimate from the buckets: linear within the bucket that holds the quantile; beyond the last bound, that bound.
    func quantile(_ share: Double, bounds: [Double]) -> Double {
        let rank = share * Double(count)
        guard let bucket = cumulativeCounts.firstIndex(where: { Double($0) >= rank }), bucket < bounds.count else {
            return bounds.last ?? 0
        }
        let below = bucket > 0 ? Double(cumulativeCounts[bucket - 1]) : 0
        let inside = Double(cumulativeCounts[bucket]) - below
        let low = bucket > 0 ? bounds[bucket - 1] : 0
        return inside > 0 ? low + (bounds[bucket] - low) * (rank - below) / inside : low
    }
}
