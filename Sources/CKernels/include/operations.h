// Operations of the forward pass: kernels over many rows or outputs, spread over the pool. Every operation returns
// when its results are written. Threads split rows, outputs or heads, never a sum.
#pragma once
#include "kernels.h"
#include "pool.h"

typedef struct ck_engine {
    const ck_kernels *kernels;
    ck_pool *pool;
} ck_engine;

/// One matrix product: out = W·x (+ bias), or out += W·x (+ bias).
typedef struct ck_projection {
    ck_matrix weights;
    const float *bias;   // (rows rounded up to 16), NULL for none
    float *out;          // (x's rows, out_stride)
    size_t out_stride;   // at least weights.rows rounded up to 16
    bool accumulate;
} ck_projection;

/// Where each row of a batch stands. Arrays over the batch's rows.
typedef struct ck_places {
    const int32_t *positions;
    const int32_t *const *tables;   // block table of the row's sequence
    const float *cosines, *sines;   // (rows, headDim/2)
    const int32_t *groups;          // starts of runs of up to CK_MAX_QUERIES rows of one sequence, then the number of rows
    size_t group_count;
} ck_places;

/// Queries, keys and values of one layer and its part of the KV cache.
typedef struct ck_heads {
    float *q, *k, *v;               // (rows, *_stride)
    size_t q_stride, kv_stride;
    const float *q_norm, *k_norm;   // (headDim, padded with zeros to whole blocks): weights of an RMSNorm over each head of q
    float eps;                      // and k before their rotation; NULL for none
    void *cache;                    // the layer's blocks
    uint32_t cache_type;            // CK_F32, CK_F16 or CK_I8
    size_t heads, kv_heads, head_dim, head_stride;
} ck_heads;

/// x = the tokens' rows of the embedding matrix.
void ck_embed(const ck_engine *engine, const ck_matrix *table, const int32_t *tokens, size_t rows, float *x,
              size_t stride);

/// out.values = RMSNorm(x) over n columns, quantised too if asked for.
void ck_norm_rows(const ck_engine *engine, const float *x, size_t rows, const float *weight, size_t n, float eps,
                  const ck_activations *out, bool quantize);

/// Quantises `count` values, whole blocks, to the columns from `at` on of a row of `out`.
void ck_quantize_part(const ck_kernels *kernels, const float *values, const ck_activations *out, size_t row, size_t at,
                      size_t count);

/// Up to three products of the same input in one pass; k and v may be NULL.
void ck_project(const ck_engine *engine, const ck_projection *q, const ck_projection *k, const ck_projection *v,
                const ck_activations *x, size_t first, size_t rows);

/// out = silu(gate·x) · (up·x); both matrices have the same shape. Quantised, `out` has no values.
void ck_swiglu(const ck_engine *engine, const ck_matrix *gate, const ck_matrix *up, const ck_activations *x,
               size_t rows, const ck_activations *out, bool quantize);

/// out[i] = row tokens[i] of W · row `row` of x; the same bits as in the full product.
void ck_project_some(const ck_engine *engine, const ck_matrix *weights, const int32_t *tokens, size_t count,
                     const ck_activations *x, size_t row, float *out);

/// Cosines and sines of position · frequency (F32 product, as in transformers), (rows, half).
void ck_rope_angles(const int32_t *positions, size_t rows, const float *frequencies, size_t half, float *cosines,
                    float *sines);

/// Norms each head of q and k where asked for, rotates q (scaled by 1/sqrt(headDim)) and k (NeoX halves) and writes k and v
/// to the cache.
void ck_rope_and_store(const ck_engine *engine, const ck_heads *heads, const ck_places *places, size_t rows);

/// out (of q_stride) = causal attention of every row over its sequence's cache, quantised too if asked for.
void ck_attend(const ck_engine *engine, const ck_heads *heads, const ck_places *places, const ck_activations *out,
               bool quantize);
