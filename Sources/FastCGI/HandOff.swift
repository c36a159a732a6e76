import Glibc

/// The bounded queue of accepted connections between the acceptor and its workers.
///
/// A full queue makes the acceptor wait, so further connections stay in the kernel's backlog.
final class HandOff: @unchecked Sendable {
    // All state is guarded by `mutex`.
    private var descriptors: [Int32] = []
    private var isEnding = false
    private var isClosed = false
    private let capacity: Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasWork = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let hasRoom = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init(capacity: Int) {
        self.capacity = capacity
        descriptors.reserveCapacity(capacity)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(hasWork, nil)
        pthread_cond_init(hasRoom, nil)
    }

    deinit {
        pthread_cond_destroy(hasWork)
        pthread_cond_destroy(hasRoom)
        pthread_mutex_destroy(mutex)
        hasWork.deallocate()
        hasRoom.deallocate()
        mutex.deallocate()
    }

    var count: Int { locked { descriptors.count } }

    /// The acceptor waits until there is room. False once `stopWaiting` was called.
    func waitForRoom() -> Bool {
        locked {
            while descriptors.count >= capacity, !isEnding { pthread_cond_wait(hasRoom, mutex) }
            return !isEnding
        }
    }

    /// Makes the acceptor end; what it has just accepted may still be pushed.
    func stopWaiting() {
        locked {
            isEnding = true
            pthread_cond_broadcast(hasRoom)
        }
    }

    /// Hands a connection over; false when the queue is closed or full, the caller then keeps the descriptor.
    func push(_ descriptor: Int32) -> Bool {
        locked {
            guard !isClosed, descriptors.count < capacity else { return false }
            descriptors.append(descriptor)
            pthread_cond_signal(hasWork)  // one: hundreds may wait
            return true
        }
    }

    /// The oldest connection; nil once the queue is closed and empty.
    func pop() -> Int32? {
        locked {
            while descriptors.isEmpty, !isClosed { pthread_cond_wait(hasWork, mutex) }
            guard !descriptors.isEmpty else { return nil }
            pthread_cond_signal(hasRoom)
            return descriptors.removeFirst()
        }
    }

    /// Takes no more connections; those inside are still handed out.
    func close() {
        locked {
            isClosed = true
            pthread_cond_broadcast(hasWork)
        }
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}
