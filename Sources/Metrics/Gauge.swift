import Synchronization

/// A value that goes up and down. Lock-free; kept as the bit pattern of a Double, so integers up to 2^53 stay exact.
package final class Gauge: Sendable {
    private let bits = Atomic<UInt64>(0)

    package init(_ value: Double = 0) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    package func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    package func set(_ value: Int) {
        set(Double(value))
    }

    package var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }
}
