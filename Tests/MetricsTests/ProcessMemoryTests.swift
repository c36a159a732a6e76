import Glibc
import Testing

@testable import Metrics

@Suite struct ProcessMemoryTests {
    @Test func readsPlausibleValues() {
        let memory = ProcessMemory.current()
        #expect(memory.residentBytes > 1 << 20)
        #expect(memory.virtualBytes > memory.residentBytes)
        #expect(memory.peakResidentBytes > 1 << 20)
        #expect(memory.openFileDescriptors >= 3)
        #expect(memory.cpuSeconds > 0)
        let now = Double(time(nil))
        #expect(memory.startTimeSeconds > now - 86_400 && memory.startTimeSeconds <= now + 2)
    }

    @Test func noticesTouchedMemory() {
        let before = ProcessMemory.current().residentBytes
        let block = [UInt8](repeating: 1, count: 64 << 20)
        let after = ProcessMemory.current().residentBytes
        withExtendedLifetime(block) {}
        #expect(after - before > 48 << 20)
    }

    @Test func parsesStatusLines() {
        let status = "Name:\tx\nVmPeak:\t  10 kB\nVmRSS:\t     1234 kB\n"
        #expect(ProcessMemory.kibibytes(of: "VmRSS:", in: status) == 1234)
        #expect(ProcessMemory.kibibytes(of: "VmHWM:", in: status) == 0)
        #expect(ProcessMemory.kibibytes(of: "VmRSS:", in: "VmRSS:\tmany kB") == 0)
    }
}
