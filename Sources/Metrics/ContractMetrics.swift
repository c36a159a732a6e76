/// How a reply came to its end, as the label `ending`.
package enum ReplyEnding: String, Sendable, CaseIterable {
    /// Where the model or a stop text ended it.
    case ownEnd = "own_end"
    /// After the last sentence within the limit.
    case afterSentence = "after_sentence"
    /// Within its first sentence, by `…`.
    case ellipsis
}

/// Whether the role files that a reload found were taken, as the label `outcome`.
package enum ReloadOutcome: String, Sendable, CaseIterable { case success, failed }

/// What the roles' contracts met with, and the reloads of the roles.
package final class ContractMetrics: Sendable {
    package let controlTexts = Counter()
    private let endings = Dictionary(uniqueKeysWithValues: ReplyEnding.allCases.map { ($0, Counter()) })
    private let reloads = Dictionary(uniqueKeysWithValues: ReloadOutcome.allCases.map { ($0, Counter()) })
    private let lastReload = Gauge(1)

    package init() {}

    package func countReply(_ ending: ReplyEnding) { endings[ending]?.add() }

    package func countReload(_ outcome: ReloadOutcome) {
        reloads[outcome]?.add()
        lastReload.set(outcome == .success ? 1 : 0)
    }

    var families: [MetricFamily] {
        [
            .counter(
                "llm_control_text_total",
                "Names of control tokens found in requests; to the model they were plain text.",
                controlTexts
            ),
            .counters(
                "llm_replies_total",
                "Generated replies by how they came to their end.",
                ReplyEnding.allCases.compactMap { ending in endings[ending].map { ([("ending", ending.rawValue)], $0) }
                }
            ),
            .counters(
                "llm_role_reloads_total",
                "Reloads of the role files; a failed one left the roles as they were.",
                ReloadOutcome.allCases.compactMap { outcome in
                    reloads[outcome].map { ([("outcome", outcome.rawValue)], $0) }
                }
            ),
            .gauge(
                "llm_role_last_reload_successful",
                "1 unless the last reload of the role files failed.",
                lastReload
            ),
        ]
    }
}
