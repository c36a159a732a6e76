import CKernels
import Glibc

/// Zeroed memory of fixed size, on huge pages where the system has them.
final class MemoryRegion: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let count: Int

    /// - Parameters:
    ///   - purpose: what it is for, named in the error when the machine has too little memory.
    ///   - toucher: takes every page from the system at once, with all of its threads; nil: pages come when written.
    init(bytes: Int, purpose: String, toucher: ThreadPool?) throws(ModelError) {
        let physical = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
        guard bytes <= physical else {
            throw ModelError(reason: "\(purpose) needs \(bytes) bytes; the machine has \(physical)")
        }
        count = max(bytes, 1)
        let mapped = mmap(nil, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            throw ModelError(reason: "\(purpose): the system refused \(bytes) bytes of memory")
        }
        base = mapped
        madvise(base, count, Int32(MADV_HUGEPAGE))
        if let toucher { touch(toucher) }
    }

    deinit { munmap(base, count) }

    private func touch(_ pool: ThreadPool) {
        var region = UnsafeMutableRawBufferPointer(start: base, count: count)
        let parts = (count + Self.partBytes - 1) / Self.partBytes
        ck_pool_run(
            pool.raw,
            { context, part in
                guard let region = context?.assumingMemoryBound(to: UnsafeMutableRawBufferPointer.self).pointee else {
                    return
                }
                // One write a page of the smallest size: the system zeroes what it gives.
                let start = part * MemoryRegion.partBytes
                let end = min(start + MemoryRegion.partBytes, region.count)
                for offset in stride(from: start, to: end, by: 4096) { region[offset] = 0 }
            },
            &region,
            parts
        )
    }

    /// What one thread touches at a time.
    private static let partBytes = 16 << 20
}

/// Hands out parts of a region, each on a cache line of its own.
struct RegionCursor {
    static let alignment = 64
    private var next: UnsafeMutableRawPointer

    init(_ region: MemoryRegion) { next = region.base }

    /// `count` elements; the caller has sized the region with `bytes(of:count:)`.
    mutating func take<Element: BitwiseCopyable>(_ type: Element.Type, _ count: Int) -> UnsafeMutablePointer<Element> {
        let part = next.bindMemory(to: type, capacity: count)
        next += Self.bytes(of: type, count)
        return part
    }

    /// Bytes that `take` uses up.
    static func bytes<Element>(of type: Element.Type, _ count: Int) -> Int {
        roundUp(count * MemoryLayout<Element>.stride, to: alignment)
    }
}

func roundUp(_ value: Int, to multiple: Int) -> Int { (value + multiple - 1) / multiple * multiple }
