import CFastCGI
import Glibc

/// The process's heap, made so at start that load does not make it grow.
package enum ProcessHeap {
    /// Taken at once and kept. Seventy requests under way were seen to take some four fifths of it; beyond it the heap grows, and
    /// gives back what is free at its end.
    package static let reserveBytes = 5 << 20

    /// What only the environment at the program's start decides, in glibc: no cache of freed blocks for each thread, which hold
    /// up to 230 KB each and fill for hundreds of thousands of requests; and one heap for all threads, where each of several
    /// would grow to the most that its own threads ever needed at once.
    private static let variable = "GLIBC_TUNABLES"
    private static let settings = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1"

    /// Call before anything else: it starts the program over, once, as the same process with the same arguments. Raises the
    /// limit on descriptors as well.
    package static func settle() {
        restartWithSettings()
        cf_reserve_heap(reserveBytes)
        cf_raise_descriptor_limit()
    }

    private static func restartWithSettings() {
        let present = getenv(variable).map { String(cString: $0) } ?? ""
        guard !present.contains(settings) else { return }
        setenv(variable, present.isEmpty ? settings : "\(present):\(settings)", 1)
        // By its own path, as ps and the journal go by its name.
        guard let program = realpath("/proc/self/exe", nil) else { return }
        execv(program, CommandLine.unsafeArgv)
        free(program)  // replaced or out of reach: it goes on as it is, and memory may creep up
    }
}
