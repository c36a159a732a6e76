// RoPE, writing to the KV cache, and the spread of attention over rows and heads.
#include <math.h>
#include <string.h>

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
} heads_job;

/// Rotates the pairs (x[i], x[i + half]) of one head, then scales.
static void rotate(float *x, const float *cosines, const float *sines, size_t half, float scale) {
    for (size_t i = 0; i < half; i++) {
        const float a = x[i], b = x[i + half];
        x[i] = (a * cosines[i] - b * sines[i]) * scale;
        x[i + half] = (b * cosines[i] + a * sines[i]) * scale;
    }
}

static void halves(const ck_kernels *kernels, const float *x, size_t n, uint16_t *out) {
    float padded[CK_MAX_HEAD];
    memcpy(padded, x, n * sizeof *x);
    const size_t whole = (n + 7) / 8 * 8;
    memset(padded + n, 0, (whole - n) * sizeof *x);
    kernels->to_f16(padded, out, whole);
}

static void store_row(void *context, size_t row) {
    const heads_job *job = context;
    const ck_heads *h = job->h;
    const size_t half = h->head_dim / 2, head_block = ck_head_block(h->head_dim, h->head_stride);
    const float *cosines = job->at->cosines + row * half, *sines = job->at->sines + row * half;
    const int32_t position = job->at->positions[row];
    const size_t block = (size_t)job->at->tables[row][position / CK_BLOCK], token = (size_t)position % CK_BLOCK;
    uint16_t *cache = h->cache + block * h->kv_heads * head_block, stored[CK_MAX_HEAD];

    const float scale = 1 / sqrtf((float)h->head_dim);
    for (size_t head = 0; head < h->heads; head++)
        rotate(h->q + row * h->q_stride + head * h->head_dim, cosines, sines, half, scale);
    for (size_t head = 0; head < h->kv_heads; head++, cache += head_block) {
        float *k = h->k + row * h->kv_stride + head * h->head_dim;
        rotate(k, cosines, sines, half, 1);
        halves(job->engine->kernels, k, h->head_dim, stored);
        for (size_t d = 0; d < h->head_dim; d++) cache[d * CK_BLOCK + token] = stored[d];
        halves(job->engine->kernels, h->v + row * h->kv_stride + head * h->head_dim, h->head_dim, stored);
        uint16_t *v = cache + h->head_dim * CK_BLOCK + token * h->head_stride;
        memcpy(v, stored, h->head_dim * sizeof *v);
    }
}

void ck_rope_and_store(const ck_engine *engine, const ck_heads *heads, const ck_places *places, size_t rows) {
    heads_job job = {engine, heads, places};
    ck_pool_run(engine->pool, store_row, &job, rows);
}

/// All queries of a group's rows that read one KV head, four at a time.
static void attend_group(void *context, size_t index) {
    const heads_job *job = context;
    const ck_heads *h = job->h;
    const size_t group = index / h->kv_heads, kv_head = index % h->kv_heads, shared = h->heads / h->kv_heads;
    const size_t first = (size_t)job->at->groups[group], end = (size_t)job->at->groups[group + 1];
    const size_t head_block = ck_head_block(h->head_dim, h->head_stride);
    ck_queries queries = {
        .cache = h->cache + kv_head * head_block, .block_stride = h->kv_heads * head_block,
        .blocks = job->at->tables[first], .head_dim = h->head_dim, .head_stride = h->head_stride,
    };
    for (size_t query = 0; query < (end - first) * shared; query++) {
        const size_t row = first + query / shared;
        const size_t at = row * h->q_stride + (kv_head * shared + query % shared) * h->head_dim;
        queries.q[queries.count] = h->q + at;
        queries.out[queries.count] = h->out + at;
        queries.position[queries.count++] = job->at->positions[row];
        if (queries.count == CK_MAX_QUERIES || query + 1 == (end - first) * shared) {
            job->engine->kernels->attention(&queries);
            queries.count = 0;
        }
    }
}

void ck_attend(const ck_engine *engine, const ck_heads *heads, const ck_places *places) {
    heads_job job = {engine, heads, places};
    ck_pool_run(engine->pool, attend_group, &job, places->group_count * heads->kv_heads);
}
