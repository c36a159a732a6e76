/// How a request ended, as the label `outcome`.
package enum RequestOutcome: String, Sendable, CaseIterable {
    /// Answered in full.
    case success
    /// The request itself was at fault (4xx other than a full queue).
    case clientError = "client_error"
    /// Not taken in: queue full or shutting down.
    case rejected
    /// The client went away.
    case cancelled
    /// A fault of the server.
    case failed
}

/// Why a request was not taken in, or was turned away before it started, as the label `reason`.
package enum RejectionReason: String, Sendable, CaseIterable {
    case full, draining, invalid
    case tooLong = "too_long"
    /// It could not start, or had not started, in the time that it may wait.
    case overdue
    /// Too many large bodies are held.
    case bodies
}

/// How a self-check ended, as the label `result`.
package enum SelfCheckResult: String, Sendable, CaseIterable {
    case match, mismatch
}

/// A rule that answers with a fixed text, as the labels `role` and `rule`.
package struct FixedReplyLabels: Sendable, Hashable {
    package let role: String
    package let rule: String

    package init(role: String, rule: String) {
        self.role = role
        self.rule = rule
    }
}

/// Every metric of the server by name. Roles, rules and outcomes are known at start, so no label value appears later; a
/// role or rule that a reload adds counts as `other`.
package final class ServerMetrics: Sendable {
    package static let otherRole = "other"
    private static let otherRule = FixedReplyLabels(role: otherRole, rule: otherRole)

    package let requestsRunning = Gauge()
    package let requestsWaiting = Gauge()
    /// 0…1
    package let kvCacheUsage = Gauge()
    package let kvCacheCachedBlocks = Gauge()
    package let prefixCacheQueries = Counter()
    package let prefixCacheHits = Counter()
    package let conversationCacheHits = Counter()
    package let conversationCacheTokens = Counter()
    package let promptTokens = Counter()
    package let generationTokens = Counter()
    package let coarseProved = Counter()
    package let coarseUnproved = Counter()
    package let timeToFirstToken = Histogram()
    package let interTokenLatency = Histogram()
    package let queueTime = Histogram()
    package let prefillTime = Histogram()
    package let decodeTime = Histogram()
    package let cancellationTime = Histogram()
    package let stepTime = Histogram()
    package let memoryBudgetBytes = Gauge()

    package let contracts = ContractMetrics()
    let process = ProcessGauges()
    package let snapshot = SnapshotGauges()
    package let requestCounters: [String: [RequestOutcome: Counter]]
    package let requestLatencies: [String: Histogram]
    /// In the order given; `other` last.
    package let fixedReplyCounters: [(labels: FixedReplyLabels, counter: Counter)]
    let rejectionCounters: [RejectionReason: Counter]
    let selfCheckCounters: [SelfCheckResult: Counter]
    /// 1xx…5xx
    let responseCounters = (0..<5).map { _ in Counter() }
    package let roles: [String]
    let build: MetricFamily.Labels

    /// - Parameters:
    ///   - roles: every value of the label `role`; `other` is added.
    ///   - fixedReplies: every rule of every role; `other` is added.
    ///   - build: labels of `llm_build_info`, such as version, model, weight type and instruction set.
    package init(roles: [String], fixedReplies: [FixedReplyLabels] = [], build: MetricFamily.Labels) {
        let roles = Self.uniqueRoles(roles)
        func perRole<T>(_ make: () -> T) -> [String: T] {
            Dictionary(uniqueKeysWithValues: roles.map { ($0, make()) })
        }
        requestCounters = perRole {
            Dictionary(uniqueKeysWithValues: RequestOutcome.allCases.map { ($0, Counter()) })
        }
        requestLatencies = perRole { Histogram() }
        rejectionCounters = Dictionary(uniqueKeysWithValues: RejectionReason.allCases.map { ($0, Counter()) })
        selfCheckCounters = Dictionary(uniqueKeysWithValues: SelfCheckResult.allCases.map { ($0, Counter()) })
        var seen: Set<FixedReplyLabels> = [Self.otherRule]
        fixedReplyCounters =
            fixedReplies.filter { seen.insert($0).inserted }.map { ($0, Counter()) } + [(Self.otherRule, Counter())]
        self.roles = roles
        self.build = build
    }

    /// Prometheus text 0.0.4. Reads atomics and /proc/self; takes no lock.
    package func render() -> String {
        process.refresh()
        return MetricsRegistry(families).render()
    }

    /// Counts the end of one request.
    package func countRequest(role: String, outcome: RequestOutcome, seconds: Double) {
        let role = requestCounters[role] == nil ? Self.otherRole : role
        requestCounters[role]?[outcome]?.add()
        requestLatencies[role]?.observe(seconds)
    }

    /// Counts one answer with a rule's fixed text.
    package func countFixedReply(_ labels: FixedReplyLabels) {
        let known = fixedReplyCounters.first { $0.labels == labels } ?? fixedReplyCounters.last
        known?.counter.add()
    }

    package func countRejection(_ reason: RejectionReason) {
        rejectionCounters[reason]?.add()
    }

    package func countSelfCheck(_ result: SelfCheckResult) {
        selfCheckCounters[result]?.add()
    }

    /// Counts one HTTP response under the class of its status (200 → `2xx`).
    package func countResponse(status: Int) {
        guard (100..<600).contains(status) else { return }
        responseCounters[status / 100 - 1].add()
    }

    /// Requests ended so far, of all roles and outcomes.
    package var requestsEnded: UInt64 {
        requestCounters.values.reduce(0) { $0 + $1.values.reduce(0) { $0 + $1.value } }
    }

    private static func uniqueRoles(_ roles: [String]) -> [String] {
        var seen: Set<String> = [otherRole]
        return roles.filter { seen.insert($0).inserted } + [otherRole]
    }
}
