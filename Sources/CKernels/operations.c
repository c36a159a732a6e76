#include "operations.h"

#include "pack.h"

typedef struct embed_job {
    const ck_matrix *table;
    const int32_t *tokens;
    float *x;
    size_t stride;
} embed_job;

static void embed_row(void *context, size_t row) {
    const embed_job *job = context;
    ck_unpack_row(job->table, (size_t)job->tokens[row], job->x + row * job->stride);
}

void ck_embed(const ck_engine *engine, const ck_matrix *table, const int32_t *tokens, size_t rows, float *x,
              size_t stride) {
    embed_job job = {table, tokens, x, stride};
    ck_pool_run(engine->pool, embed_row, &job, rows);
}

void ck_quantize_part(const ck_kernels *kernels, const float *values, const ck_activations *out, size_t row, size_t at,
                      size_t count) {
    const size_t start = row * out->stride + at, block = start / CK_BLOCK;
    kernels->quantize(values, count, out->quants + start, out->scales + block, out->sums + block);
}

typedef struct norm_job {
    const ck_kernels *kernels;
    const float *x, *weight;
    size_t n;
    float eps;
    const ck_activations *out;
    bool quantize;
} norm_job;

static void norm_row(void *context, size_t row) {
    const norm_job *job = context;
    const size_t stride = job->out->stride;
    float *values = job->out->values + row * stride;
    job->kernels->rms_norm(job->x + row * stride, job->weight, job->n, stride, job->eps, values);
    if (job->quantize) ck_quantize_part(job->kernels, values, job->out, row, 0, stride);
}

void ck_norm_rows(const ck_engine *engine, const float *x, size_t rows, const float *weight, size_t n, float eps,
                  const ck_activations *out, bool quantize) {
    norm_job job = {engine->kernels, x, weight, n, eps, out, quantize};
    ck_pool_run(engine->pool, norm_row, &job, rows);
}
