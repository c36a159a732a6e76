// Portable kernels, and what every other set computes: the same integers and the same order of float operations. Built
// for a processor with fused multiply-add, as every 64-bit ARM is, they give the bits of the other sets; without it a
// product is rounded before it is added.
#include <float.h>
#include <math.h>
#include <string.h>

#include "float16.h"
#include "kernels.h"

/// a·b + c, rounded once where the processor can.
static inline float multiply_add(float a, float b, float c) {
#if defined(__FP_FAST_FMAF) || defined(__FMA__)
    return fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

/// The order of a vector's sum: halves are added until one value is left.
static inline float sum_lanes(const float lanes[8]) {
    float four[4];
    for (size_t j = 0; j < 4; j++) four[j] = lanes[j] + lanes[j + 4];
    return (four[0] + four[2]) + (four[1] + four[3]);
}

/// Hands over one row's results of a panel, `at` outputs from the first.
static inline void put(const ck_target *to, size_t row, size_t at, const float *values) {
    float *out = to->out + row * to->stride + at;
    for (size_t j = 0; j < CK_PANEL; j++) {
        const float value = to->bias ? values[j] + to->bias[at + j] : values[j];
        out[j] = to->accumulate ? out[j] + value : value;
    }
}

#define SUM_COLUMNS(TYPE, CONVERT)                                                                          \
    for (size_t row = 0; row < count; row++) {                                                              \
        const float *values = x->values + (first + row) * x->stride;                                        \
        for (size_t panel = 0; panel < panels; panel++) {                                                   \
            const TYPE *lane = (const TYPE *)w + panel * columns * CK_PANEL;                                \
            float sum[CK_PANEL] = {0};                                                                      \
            for (size_t k = 0; k < columns; k++, lane += CK_PANEL)                                          \
                for (size_t j = 0; j < CK_PANEL; j++)                                                       \
                    sum[j] = multiply_add(values[k], CONVERT(lane[j]), sum[j]);                             \
            put(to, row, panel * CK_PANEL, sum);                                                            \
        }                                                                                                   \
    }

static void panels_f32(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                       size_t count, const ck_target *to) {
    SUM_COLUMNS(float, )
}

static void panels_f16(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                       size_t count, const ck_target *to) {
    SUM_COLUMNS(uint16_t, ck_from_f16)
}

static void panels_bf16(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                        size_t count, const ck_target *to) {
    SUM_COLUMNS(uint16_t, ck_from_bf16)
}

/// The 16 outputs' integer sums over one block.
typedef void block_dot(const uint8_t *units, const int8_t *quants, int32_t *sum);

static void dot_q8_0(const uint8_t *units, const int8_t *quants, int32_t *sum) {
    for (size_t i = 0; i < CK_BLOCK; i++)
        for (size_t j = 0; j < CK_PANEL; j++)
            sum[j] += quants[i] * (int8_t)units[(i / 4 * CK_PANEL + j) * 4 + i % 4];
}

static void dot_q4_0(const uint8_t *units, const int8_t *quants, int32_t *sum) {
    for (size_t i = 0; i < CK_BLOCK / 2; i++)
        for (size_t j = 0; j < CK_PANEL; j++) {
            const uint8_t byte = units[(i / 4 * CK_PANEL + j) * 4 + i % 4];
            sum[j] += quants[i] * ((byte & 15) - 8) + quants[i + CK_BLOCK / 2] * ((byte >> 4) - 8);
        }
}

static inline void panels_quantised(block_dot *dot, size_t block_bytes, const uint8_t *w, size_t panels,
                                    size_t columns, const ck_activations *x, size_t first, size_t count, const ck_target *to) {
    const size_t blocks = columns / CK_BLOCK;
    for (size_t row = 0; row < count; row++) {
        const int8_t *quants = x->quants + (first + row) * x->stride;
        const float *scales = x->scales + (first + row) * (x->stride / CK_BLOCK);
        for (size_t panel = 0; panel < panels; panel++) {
            const uint8_t *block = w + panel * blocks * block_bytes;
            float total[CK_PANEL] = {0};
            for (size_t b = 0; b < blocks; b++, block += block_bytes) {
                int32_t sum[CK_PANEL] = {0};
                dot(block + 2 * CK_PANEL, quants + b * CK_BLOCK, sum);
                for (size_t j = 0; j < CK_PANEL; j++) {
                    const float scale = ck_from_f16(((const uint16_t *)block)[j]) * scales[b];
                    total[j] = multiply_add((float)sum[j], scale, total[j]);
                }
            }
            put(to, row, panel * CK_PANEL, total);
        }
    }
}

static void panels_q8_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                        size_t count, const ck_target *to) {
    panels_quantised(dot_q8_0, 34 * CK_PANEL, w, panels, columns, x, first, count, to);
}

static void panels_q4_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                        size_t count, const ck_target *to) {
    panels_quantised(dot_q4_0, 18 * CK_PANEL, w, panels, columns, x, first, count, to);
}

static void rms_norm(const float *x, const float *weight, size_t n, size_t stride, float eps, float *y) {
    float lanes[8] = {0};
    for (size_t i = 0; i < stride; i++) lanes[i % 8] = multiply_add(x[i], x[i], lanes[i % 8]);
    const float scale = 1 / sqrtf(sum_lanes(lanes) / (float)n + eps);
    for (size_t i = 0; i < stride; i++) y[i] = weight[i] * (x[i] * scale);
}

static void quantize(const float *x, size_t stride, int8_t *quants, float *scales, int32_t *sums) {
    for (size_t b = 0; b < stride / CK_BLOCK; b++, x += CK_BLOCK, quants += CK_BLOCK) {
        float amax = 0;
        for (size_t i = 0; i < CK_BLOCK; i++) amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        // Below 1e-30 the inverse would overflow; such a block is zero to any model.
        const float inverse = amax >= 1e-30f ? 127 / amax : 0;
        int32_t sum = 0;
        for (size_t i = 0; i < CK_BLOCK; i++) {
            const float scaled = x[i] * inverse;
            quants[i] = (int8_t)(fabsf(scaled) <= 127 ? rintf(scaled) : scaled < 0 ? -127 : 127);
            sum += quants[i];
        }
        scales[b] = amax / 127;
        sums[b] = sum;
    }
}

/// e^x by 2^n · p(r), |r| <= ln2/2, relative error below 2e-7; clamped to the range of normal floats; exact at 0.
static inline float exponential(float x) {
    x = x > -87.3f ? x : -87.3f;
    x = x < 88.3f ? x : 88.3f;
    const float n = rintf(x * 1.44269504f);
    const float r = multiply_add(-n, 1.42860677e-6f, multiply_add(-n, 0.693145752f, x));
    float p = 1.38888889e-3f;
    p = multiply_add(p, r, 8.33333333e-3f);
    p = multiply_add(p, r, 4.16666667e-2f);
    p = multiply_add(p, r, 1.66666667e-1f);
    p = multiply_add(p, r, 0.5f);
    p = multiply_add(p, r, 1);
    p = multiply_add(p, r, 1);
    return ck_float_from_bits(ck_bits_from_float(p) + ((uint32_t)(int32_t)n << 23));
}

static void exp_all(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = exponential(x[i]);
}

static void swiglu(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) gate[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
}

static void to_f16(const float *x, uint16_t *y, size_t n) {
    for (size_t i = 0; i < n; i++) y[i] = ck_to_f16_clamped(x[i]);
}

/// A value of a block of the cache, `at` values from its start.
static inline float cached(uint32_t type, const void *block, size_t at) {
    if (type == CK_F32) return ((const float *)block)[at];
    return type == CK_F16 ? ck_from_f16(((const uint16_t *)block)[at]) : (float)((const int8_t *)block)[at];
}

/// Online softmax (Milakov and Gimelshein 2018) by cache block: the block's maximum rescales what came before.
static void attend(const ck_queries *a, size_t query) {
    const int32_t position = a->position[query];
    const float *q = a->q[query];
    float out[CK_MAX_HEAD] = {0}, largest = -FLT_MAX, lanes[8] = {0};
    for (int32_t start = 0; start <= position; start += CK_BLOCK) {
        const uint8_t *block = (const uint8_t *)a->cache + (size_t)a->blocks[start / CK_BLOCK] * a->block_stride;
        const float *scales = ck_scales(a->type, block, a->head_dim, a->head_stride);
        float p[CK_BLOCK] = {0}, block_largest = largest;
        for (size_t d = 0; d < a->head_dim; d++)
            for (size_t t = 0; t < CK_BLOCK; t++)
                p[t] = multiply_add(q[d], cached(a->type, block, d * CK_BLOCK + t), p[t]);
        for (size_t t = 0; t < CK_BLOCK && scales; t++) p[t] *= scales[t];
        for (size_t t = 0; t < CK_BLOCK; t++)
            if (start + (int32_t)t <= position && p[t] > block_largest) block_largest = p[t];
        const float rescale = exponential(largest - block_largest);
        for (size_t t = 0; t < CK_BLOCK; t++)
            p[t] = start + (int32_t)t <= position ? exponential(p[t] - block_largest) : 0;
        for (size_t j = 0; j < 8; j++)
            lanes[j] = multiply_add(lanes[j], rescale, p[j] + p[j + 8] + (p[j + 16] + p[j + 24]));
        for (size_t t = 0; t < CK_BLOCK && scales; t++) p[t] = p[t] >= CK_LEAST_WEIGHT ? p[t] * scales[CK_BLOCK + t] : 0;
        for (size_t d = 0; d < a->head_dim; d++) out[d] *= rescale;
        for (size_t t = 0; t < CK_BLOCK; t++)
            for (size_t d = 0; d < a->head_dim; d++) {
                const size_t at = a->head_dim * CK_BLOCK + t * a->head_stride + d;
                out[d] = multiply_add(p[t], cached(a->type, block, at), out[d]);
            }
        largest = block_largest;
    }
    const float total = sum_lanes(lanes);
    for (size_t d = 0; d < a->head_dim; d++) a->out[query][d] = out[d] / total;
}

static void attention(const ck_queries *queries) {
    for (size_t query = 0; query < queries->count; query++) attend(queries, query);
}

const ck_kernels *ck_kernels_generic(void) {
    static const ck_kernels kernels = {
        "generic", panels_f32, panels_f16, panels_bf16, panels_q8_0, panels_q4_0,
        rms_norm, quantize, swiglu, to_f16, attention, exp_all, NULL, CK_MAX_QUERIES,
    };
    return &kernels;
}

ck_panels_fn *ck_panels_for(const ck_kernels *kernels, uint32_t type) {
    switch (type) {
    case CK_F32: return kernels->panels_f32;
    case CK_F16: return kernels->panels_f16;
    case CK_BF16: return kernels->panels_bf16;
    case CK_Q8_0: return kernels->panels_q8_0;
    case CK_Q4_0: return kernels->panels_q4_0;
    default: return NULL;
    }
}
