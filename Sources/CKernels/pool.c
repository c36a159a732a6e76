// One 64-bit ticket holds the number of tasks and the next one to take. Tasks are taken by compare-and-swap, so a
// thread that comes late finds either a task of the current run or none; nobody waits for threads that took nothing.
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { SPIN_NANOSECONDS = 50000, SPINS_PER_CLOCK = 64 };

struct ck_pool {
    _Alignas(64) _Atomic uint64_t ticket;   // count << 32 | next
    _Alignas(64) _Atomic size_t done;
    ck_task *task;
    void *context;
    _Atomic bool stopping;
    _Atomic size_t parked;        // threads asleep on `work`
    _Atomic bool caller_parked;   // the caller asleep on `finished`
    pthread_mutex_t mutex;
    pthread_cond_t work, finished;
    size_t started;
    pthread_t threads[];
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static uint64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline bool has_task(uint64_t ticket) { return (uint32_t)ticket < (uint32_t)(ticket >> 32); }

/// Takes and runs tasks until none is left: a share of those that are left at a time, ever smaller ones, so that
/// threads rarely meet at the ticket and still end together (Polychronopoulos and Kuck 1987).
static void work_off(ck_pool *pool) {
    uint64_t ticket = atomic_load(&pool->ticket);
    while (has_task(ticket)) {
        const size_t count = ticket >> 32, next = (uint32_t)ticket;
        const size_t left = count - next, threads = pool->started + 1;
        const size_t share = left / (2 * threads) + count / (16 * threads) + 1, taken = share < left ? share : left;
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + taken)) continue;
        for (size_t index = next; index < next + taken; index++) pool->task(pool->context, index);
        // After the last task is counted the caller may return and start the next run.
        if (atomic_fetch_add(&pool->done, taken) + taken == count && atomic_load(&pool->caller_parked)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->mutex);
        }
        ticket = atomic_load(&pool->ticket);
    }
}

static bool worker_ready(ck_pool *pool) {
    return has_task(atomic_load(&pool->ticket)) || atomic_load(&pool->stopping);
}

static bool all_done(ck_pool *pool, size_t count) { return atomic_load(&pool->done) >= count; }

static void park_worker(ck_pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->parked, 1);
    while (!worker_ready(pool)) pthread_cond_wait(&pool->work, &pool->mutex);
    atomic_fetch_sub(&pool->parked, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker(void *argument) {
    ck_pool *pool = argument;
    prctl(PR_SET_NAME, "compute");
    while (!atomic_load(&pool->stopping)) {
        work_off(pool);
        const uint64_t start = nanoseconds();
        for (unsigned spin = 1; !worker_ready(pool); spin++) {
            relax();
            if (spin % SPINS_PER_CLOCK == 0 && nanoseconds() - start > SPIN_NANOSECONDS) park_worker(pool);
        }
    }
    return NULL;
}

static void wait_done(ck_pool *pool, size_t count) {
    const uint64_t start = nanoseconds();
    for (unsigned spin = 1; !all_done(pool, count); spin++) {
        relax();
        if (spin % SPINS_PER_CLOCK != 0 || nanoseconds() - start <= SPIN_NANOSECONDS) continue;
        pthread_mutex_lock(&pool->mutex);
        atomic_store(&pool->caller_parked, true);
        while (!all_done(pool, count)) pthread_cond_wait(&pool->finished, &pool->mutex);
        atomic_store(&pool->caller_parked, false);
        pthread_mutex_unlock(&pool->mutex);
    }
}

void ck_pool_run(ck_pool *pool, ck_task *task, void *context, size_t count) {
    if (count < 2 || pool->started == 0) {
        for (size_t index = 0; index < count; index++) task(context, index);
        return;
    }
    pool->task = task;
    pool->context = context;
    atomic_store(&pool->done, 0);
    atomic_store(&pool->ticket, (uint64_t)count << 32);
    if (atomic_load(&pool->parked) > 0) {
        pthread_mutex_lock(&pool->mutex);
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->mutex);
    }
    work_off(pool);
    wait_done(pool, count);
}

ck_pool *ck_pool_create(size_t threads) {
    const size_t bytes = sizeof(ck_pool) + threads * sizeof(pthread_t);
    ck_pool *pool = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!pool) return NULL;
    *pool = (ck_pool){0};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->finished, NULL);
    for (; pool->started + 1 < threads; pool->started++) {
        if (pthread_create(&pool->threads[pool->started], NULL, worker, pool) != 0) {
            ck_pool_destroy(pool);
            return NULL;
        }
    }
    return pool;
}

size_t ck_pool_threads(const ck_pool *pool) { return pool->started + 1; }

uint64_t ck_pool_cpu_nanoseconds(const ck_pool *pool) {
    uint64_t sum = 0;
    for (size_t index = 0; index < pool->started; index++) {
        clockid_t clock;
        struct timespec time;
        if (pthread_getcpuclockid(pool->threads[index], &clock) == 0 && clock_gettime(clock, &time) == 0)
            sum += (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    }
    return sum;
}

void ck_pool_destroy(ck_pool *pool) {
    if (!pool) return;
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stopping, true);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t index = 0; index < pool->started; index++) pthread_join(pool->threads[index], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}
