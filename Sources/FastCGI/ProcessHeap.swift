import CFastCGI

/// Settings of the whole process.
package enum ProcessHeap {
    /// Bounds what glibc's malloc keeps for itself; call before threads start.
    package static func bound() { cf_bound_heap() }
}
