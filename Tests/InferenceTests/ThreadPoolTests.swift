import CKernels
import Glibc
import Synchronization
import Testing

@testable import Inference

struct ThreadPoolTests {
    private final class Counts: Sendable {
        let total = Atomic<Int>(0)
        let indices = Atomic<Int>(0)
    }

    @Test(arguments: [1, 2, 3, 8])
    func runsEveryTaskOnce(threads: Int) throws {
        let pool = try ThreadPool(threads: threads)
        let counts = Counts()
        let context = Unmanaged.passUnretained(counts).toOpaque()
        var (total, indices) = (0, 0)
        for run in 0..<2000 {
            let count = run % 37
            ck_pool_run(
                pool.raw,
                { context, index in
                    guard let context else { return }
                    let counts = Unmanaged<Counts>.fromOpaque(context).takeUnretainedValue()
                    counts.total.add(1, ordering: .relaxed)
                    counts.indices.add(index, ordering: .relaxed)
                },
                context,
                count
            )
            total += count
            indices += count * (count - 1) / 2
            #expect(counts.total.load(ordering: .relaxed) == total)
            if run % 500 == 0 { usleep(2000) }  // lets the threads park
        }
        #expect(counts.indices.load(ordering: .relaxed) == indices)
    }

    @Test func idleThreadsUseNoProcessor() throws {
        let pool = try ThreadPool(threads: 4)
        ck_pool_run(pool.raw, { _, _ in }, nil, 100)
        usleep(20_000)
        let before = ck_pool_cpu_nanoseconds(pool.raw)
        usleep(300_000)
        #expect(ck_pool_cpu_nanoseconds(pool.raw) - before < 1_000_000)
    }

    @Test(arguments: [0, -1, 100_000])
    func refusesImpossibleCounts(threads: Int) {
        #expect(throws: ModelError.self) { try ThreadPool(threads: threads) }
    }
}
