#include "limits.h"

enum { LINE = 64 / sizeof(uint64_t), AHEAD = 2048 / sizeof(uint64_t) };

typedef struct read_job {
    const uint64_t *words;
    size_t count, part;
    uint64_t *sums;
} read_job;

static void read_part(void *context, size_t index) {
    const read_job *job = context;
    const size_t start = index * job->part, end = start + job->part < job->count ? start + job->part : job->count;
    uint64_t sum = 0;
    // Some processors read faster what is asked for early, as the products do.
    for (size_t i = start; i < end; i += LINE) {
        __builtin_prefetch(job->words + i + AHEAD, 0, 2);
        const size_t last = i + LINE < end ? i + LINE : end;
        for (size_t j = i; j < last; j++) sum ^= job->words[j];
    }
    job->sums[index] = sum;
}

uint64_t ck_read_all(ck_pool *pool, const void *buffer, size_t bytes) {
    enum { PARTS = 64 };
    uint64_t sums[PARTS] = {0}, sum = 0;
    const size_t count = bytes / sizeof(uint64_t);
    read_job job = {buffer, count, (count + PARTS - 1) / PARTS, sums};
    ck_pool_run(pool, read_part, &job, PARTS);
    for (size_t i = 0; i < PARTS; i++) sum ^= sums[i];
    return sum;
}

typedef struct peak_job {
    const ck_kernels *kernels;
    uint32_t type;
    size_t rounds;
} peak_job;

static void run_peak(void *context, size_t index) {
    const peak_job *job = context;
    (void)index;
    job->kernels->peak(job->type, job->rounds);
}

uint64_t ck_run_peak(ck_pool *pool, const ck_kernels *kernels, uint32_t type, size_t rounds) {
    if (!kernels->peak) return 0;
    peak_job job = {kernels, type, rounds};
    ck_pool_run(pool, run_peak, &job, ck_pool_threads(pool));
    return ck_pool_threads(pool) * kernels->peak(type, 0) * rounds;
}
