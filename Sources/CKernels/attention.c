// RoPE, writing to the KV cache, and the spread of attention over rows and heads.
#include <float.h>
#include <math.h>
#include <string.h>

#include "float16.h"
#include "operations.h"

void ck_rope_angles(const int32_t *positions, size_t rows, const float *frequencies, size_t half, float *cosines,
                    float *sines) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < half; i++) {
            const float angle = (float)positions[row] * frequencies[i];
            cosines[row * half + i] = (float)cos((double)angle);
            sines[row * half + i] = (float)sin((double)angle);
        }
}

typedef struct heads_job {
    const ck_engine *engine;
    const ck_heads *h;
    const ck_places *at;
    size_t rows;
    const ck_activations *out;   // of attention
    bool quantize;
} heads_job;

/// Rotates the pairs (x[i], x[i + half]) of one head, then scales.
static void rotate(float *x, const float *cosines, const float *sines, size_t half, float scale) {
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = x[i + half];
        x[i] = (a * cosines[i] - b * sines[i]) * scale;
        x[i + half] = (b * cosines[i] + a * sines[i]) * scale;
    }
}

/// RMSNorm of one head in place; nothing without weights.
static void norm_head(const ck_kernels *kernels, float *x, const float *weight, size_t n, float eps) {
    if (!weight) return;
    float padded[CK_MAX_HEAD], normed[CK_MAX_HEAD];
    const size_t whole = (n + CK_BLOCK - 1) / CK_BLOCK * CK_BLOCK;
    memcpy(padded, x, n * sizeof *x);
    memset(padded + n, 0, (whole - n) * sizeof *x);
    kernels->rms_norm(padded, weight, n, whole, eps, normed);
    memcpy(x, normed, n * sizeof *x);
}

/// Clamped to ±limit, which NaN becomes too: fminf gives the number where the other is NaN.
static float clamped(float x, float limit) { return fmaxf(fminf(x, limit), -limit); }

static void store_f16(const ck_kernels *kernels, const float *x, size_t n, uint16_t *cache, size_t step) {
    float padded[CK_MAX_HEAD];
    uint16_t halves[CK_MAX_HEAD];
    const size_t whole = (n + 7) / 8 * 8;
    memcpy(padded, x, n * sizeof *x);
    memset(padded + n, 0, (whole - n) * sizeof *x);
    kernels->to_f16(padded, halves, whole);
    for (size_t d = 0; d < n; d++) cache[d * step] = halves[d];
}

/// Returns the scale.
static float store_i8(const float *x, size_t n, int8_t *cache, size_t step) {
    float values[CK_MAX_HEAD];
    uint32_t largest = 0;   // bits of the largest magnitude, as integers are compared many at once
    for (size_t d = 0; d < n; d++) {
        values[d] = clamped(x[d], 65504);   // as in F16: so scores are finite too
        const uint32_t magnitude = ck_bits_from_float(values[d]) & 0x7fffffff;
        largest = magnitude > largest ? magnitude : largest;
    }
    const float amax = ck_float_from_bits(largest);
    // Below 1e-30 the inverse would overflow; such a head is zero to any model.
    const float inverse = amax >= 1e-30f ? 127 / amax : 0;
    int8_t quants[CK_MAX_HEAD];
    for (size_t d = 0; d < n; d++) {
        // Added to 1.5 · 2^23, it is rounded to nearest even and lies in the low bits.
        const float shifted = values[d] * inverse + 12582912;
        quants[d] = (int8_t)ck_bits_from_float(shifted);
    }
    for (size_t d = 0; d < n; d++) cache[d * step] = quants[d];
    return amax / 127;
}

/// Writes one head of one token to its block, `step` values apart from `at` on, finite in the cache's precision. The scale, if
/// there is one, goes to scales[scale].
static void store_head(const heads_job *job, const float *x, uint8_t *block, size_t at, size_t step, size_t scale) {
    const ck_heads *h = job->h;
    const size_t n = h->head_dim;
    switch (h->cache_type) {
    case CK_F32: for (size_t d = 0; d < n; d++) ((float *)block)[at + d * step] = clamped(x[d], FLT_MAX); break;
    case CK_F16: store_f16(job->engine->kernels, x, n, (uint16_t *)block + at, step); break;
    default: ((float *)ck_scales(CK_I8, block, n, h->head_stride))[scale] = store_i8(x, n, (int8_t *)block + at, step);
    }
}

/// One KV head of a row and its queries.
static void store_row(const heads_job *job, size_t row, size_t head) {
    const ck_heads *h = job->h;
    const size_t half = h->head_dim / 2, shared = h->heads / h->kv_heads;
    const float *cosines = job->at->cosines + row * half, *sines = job->at->sines + row * half;
    const int32_t position = job->at->positions[row];
    const size_t index = (size_t)job->at->tables[row][position / CK_BLOCK], token = (size_t)position % CK_BLOCK;
    const size_t from = row * h->kv_stride + head * h->head_dim;
    const size_t head_block = ck_head_block(h->cache_type, h->head_dim, h->head_stride);
    uint8_t *block = (uint8_t *)h->cache + (index * h->kv_heads + head) * head_block;

    const float scale = 1 / sqrtf((float)h->head_dim);
    for (size_t i = head * shared; i < (head + 1) * shared; i++) {
        float *q = h->q + row * h->q_stride + i * h->head_dim;
        norm_head(job->engine->kernels, q, h->q_norm, h->head_dim, h->eps);
        rotate(q, cosines, sines, half, scale);
    }
    norm_head(job->engine->kernels, h->k + from, h->k_norm, h->head_dim, h->eps);
    rotate(h->k + from, cosines, sines, half, 1);
    store_head(job, h->k + from, block, token, CK_BLOCK, token);
    store_head(job, h->v + from, block, h->head_dim * CK_BLOCK + token * h->head_stride, 1, CK_BLOCK + token);
}

// A token's key takes one value of each of many lines: some tokens of one head go together, while the lines are near.
enum { STORED_ROWS = 8 };

static void store_rows(void *context, size_t index) {
    const heads_job *job = context;
    const size_t head = index % job->h->kv_heads, first = index / job->h->kv_heads * STORED_ROWS;
    for (size_t row = first; row < first + STORED_ROWS && row < job->rows; row++) store_row(job, row, head);
}

void ck_rope_and_store(const ck_engine *engine, const ck_heads *heads, const ck_places *places, size_t rows) {
    heads_job job = {.engine = engine, .h = heads, .at = places, .rows = rows};
    ck_pool_run(engine->pool, store_rows, &job, (rows + STORED_ROWS - 1) / STORED_ROWS * heads->kv_heads);
}

/// The first block of a KV head in the cache, for the rows of a group.
static const void *first_block(const heads_job *job, size_t index, size_t head_block) {
    const size_t groups = job->at->group_count, kv_head = index / groups;
    const int32_t block = job->at->tables[job->at->groups[index % groups]][0];
    return (const uint8_t *)job->h->cache + ((size_t)block * job->h->kv_heads + kv_head) * head_block;
}

/// All queries of a group's rows that read one KV head, as many at a time as the kernel takes.
static void attend_group(void *context, size_t index) {
    const heads_job *job = context;
    const ck_heads *h = job->h;
    const size_t groups = job->at->group_count, shared = h->heads / h->kv_heads;
    const size_t group = index % groups, kv_head = index / groups;
    const size_t first = (size_t)job->at->groups[group], end = (size_t)job->at->groups[group + 1];
    const size_t head_block = ck_head_block(h->cache_type, h->head_dim, h->head_stride);
    ck_queries queries = {
        .cache = (const uint8_t *)h->cache + kv_head * head_block,
        .type = h->cache_type, .block_stride = h->kv_heads * head_block,
        .blocks = job->at->tables[first], .head_dim = h->head_dim, .head_stride = h->head_stride,
        .next = index + 1 < groups * h->kv_heads ? first_block(job, index + 1, head_block) : NULL,
    };
    for (size_t query = 0; query < (end - first) * shared; query++) {
        const size_t row = first + query / shared;
        const size_t at = row * h->q_stride + (kv_head * shared + query % shared) * h->head_dim;
        queries.q[queries.count] = h->q + at;
        queries.out[queries.count] = job->out->values + at;
        queries.position[queries.count++] = job->at->positions[row];
        if (queries.count == job->engine->kernels->queries || query + 1 == (end - first) * shared) {
            job->engine->kernels->attention(&queries);
            queries.count = 0;
        }
    }
    const size_t span = shared * h->head_dim, at = kv_head * span;
    for (size_t row = first; row < end && job->quantize; row++)
        ck_quantize_part(job->engine->kernels, job->out->values + row * h->q_stride + at, job->out, row, at, span);
}

static void quantize_row(void *context, size_t row) {
    const heads_job *job = context;
    const ck_activations *out = job->out;
    ck_quantize_part(job->engine->kernels, out->values + row * out->stride, out, row, 0, out->stride);
}

void ck_attend(const ck_engine *engine, const ck_heads *heads, const ck_places *places, const ck_activations *out,
               bool quantize) {
    const size_t span = heads->heads / heads->kv_heads * heads->head_dim;
    const bool inline_blocks = span % CK_BLOCK == 0;   // no block belongs to two KV heads
    const size_t rows = (size_t)places->groups[places->group_count];
    heads_job job = {engine, heads, places, rows, out, quantize && inline_blocks};
    ck_pool_run(engine->pool, attend_group, &job, places->group_count * heads->kv_heads);
    if (quantize && !inline_blocks) ck_pool_run(engine->pool, quantize_row, &job, rows);
}
