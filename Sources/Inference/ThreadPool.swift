import CKernels
import Glibc

/// Owns a pool of compute threads; ends them when it goes.
final class ThreadPool {
    static let limit = 256
    let raw: OpaquePointer

    /// Processors that the system has switched on.
    static var onlineProcessors: Int { min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1), limit) }

    init(threads: Int) throws(ModelError) {
        guard (1...Self.limit).contains(threads) else {
            throw ModelError(reason: "threads is \(threads); it must be 1 to \(Self.limit)")
        }
        guard let pool = ck_pool_create(threads) else {
            throw ModelError(reason: "the system refused \(threads) compute threads")
        }
        raw = pool
    }

    deinit { ck_pool_destroy(raw) }
}
