/// The latest memory snapshot; between snapshots the `process_` metrics have the present values.
package struct SnapshotGauges: Sendable {
    private let resident = Gauge()
    private let virtual = Gauge()
    private let time = Gauge()

    package func set(_ memory: ProcessMemory, at unixTime: Double) {
        resident.set(memory.residentBytes)
        virtual.set(memory.virtualBytes)
        time.set(unixTime)
    }

    var families: [MetricFamily] {
        [
            .gauge("llm_memory_snapshot_resident_bytes", "Resident memory at the latest snapshot.", resident),
            .gauge("llm_memory_snapshot_virtual_bytes", "Virtual memory at the latest snapshot.", virtual),
            .gauge("llm_memory_snapshot_timestamp_seconds", "Unix time of the latest snapshot; 0: none yet.", time),
        ]
    }
}
