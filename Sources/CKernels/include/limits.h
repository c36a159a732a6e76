// The machine's own limits, for benchmarks to compare with.
#pragma once
#include "kernels.h"
#include "pool.h"

/// Reads a buffer once with all threads; the result keeps the compiler from leaving it out. bytes is a multiple of 8.
uint64_t ck_read_all(ck_pool *pool, const void *buffer, size_t bytes);

/// Runs the peak step of `kernels` on every thread; returns the operations done by all (a multiply-add counts as
/// two), 0 for a set without such a step.
uint64_t ck_run_peak(ck_pool *pool, const ck_kernels *kernels, uint32_t type, size_t rounds);
