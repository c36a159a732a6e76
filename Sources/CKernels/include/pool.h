// A pool of compute threads. The caller takes part, so a pool of n threads starts n - 1.
#pragma once
#include <stddef.h>

typedef struct ck_pool ck_pool;
typedef void ck_task(void *context, size_t index);

/// NULL when memory or threads are lacking. `threads` is at least 1.
ck_pool *ck_pool_create(size_t threads);
size_t ck_pool_threads(const ck_pool *pool);

/// Runs task(context, 0..<count) on the pool and returns when all are done; count < 2^31. Called by one thread at a time.
/// Threads spin for at most 50 µs for the next call, then sleep.
void ck_pool_run(ck_pool *pool, ck_task *task, void *context, size_t count);

void ck_pool_destroy(ck_pool *pool);
