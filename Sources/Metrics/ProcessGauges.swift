/// The `process_` metrics that every Prometheus client library exports, read from the kernel at each scrape.
struct ProcessGauges: Sendable {
    private let resident = Gauge()
    private let virtual = Gauge()
    private let cpu = Gauge()
    private let descriptors = Gauge()
    private let start = Gauge()

    func refresh() {
        let memory = ProcessMemory.current()
        resident.set(memory.residentBytes)
        virtual.set(memory.virtualBytes)
        cpu.set(memory.cpuSeconds)
        descriptors.set(memory.openFileDescriptors)
        start.set(memory.startTimeSeconds)
    }

    var families: [MetricFamily] {
        [
            .gauge("process_resident_memory_bytes", "Resident memory, file and anonymous pages.", resident),
            .gauge("process_virtual_memory_bytes", "Virtual memory.", virtual),
            .counterReading("process_cpu_seconds_total", "User and system CPU time of all threads.", cpu),
            .gauge("process_open_fds", "Open file descriptors.", descriptors),
            .gauge("process_start_time_seconds", "Start of the process, Unix time.", start),
        ]
    }
}
