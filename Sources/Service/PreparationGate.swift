import Dispatch
import Scheduling

/// Lets one large body at a time be parsed and tokenised: that takes `growth` times the body's size for up to a fifth of
/// a second, which every worker at once would neither leave memory nor processor time for. Small bodies pass at once.
final class PreparationGate: Sendable {
    static let smallBody = 16 << 10
    /// What a body takes while it is parsed and tokenised, in times its size, about.
    static let growth = 25

    private let semaphore = DispatchSemaphore(value: 1)

    /// Waits for its turn; gives up with a client that went away or is out of time. Every `enter` wants its `leave`.
    func enter(
        _ body: [UInt8],
        _ patience: Patience,
        sink: borrowing some ResponseSink & ~Copyable
    ) throws(Interruption) {
        guard body.count > Self.smallBody else { return }
        while semaphore.wait(timeout: .now() + .milliseconds(GenerationHandle.glance)) == .timedOut {
            if sink.isClientGone() { throw .clientGone }
            try patience.check()
        }
    }

    func leave(_ body: [UInt8]) {
        if body.count > Self.smallBody { semaphore.signal() }
    }
}
