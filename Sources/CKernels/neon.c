// NEON of Armv8.0: neither dot products, nor FP16 arithmetic, nor 8-bit matrix products. One float lane is one output,
// token or dimension, and float operations come in the order of generic.c.
#include "kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <float.h>
#include <math.h>
#include <string.h>

/// Inlined with constant arguments, so that a tile's loops unroll into registers.
#define NEON_INLINE __attribute__((always_inline)) static inline
#define UNROLL _Pragma("clang loop unroll(full)")

typedef enum { F32, F16, BF16, I8 } float_type;
enum { VECTORS = CK_PANEL / 4, FLOAT_ROWS = 6, INTEGER_ROWS = 4, Q8_BYTES = 34 * CK_PANEL, Q4_BYTES = 18 * CK_PANEL };

/// The sum of eight lanes: halves are added until one value is left.
NEON_INLINE float sum_lanes(float32x4_t low, float32x4_t high) {
    const float32x4_t four = vaddq_f32(low, high);
    return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}

/// Four values, `at` values from `p`.
NEON_INLINE float32x4_t load(const float_type type, const void *p, size_t at) {
    if (type == F32) return vld1q_f32((const float *)p + at);
    if (type == I8) {
        uint32_t four;
        memcpy(&four, (const int8_t *)p + at, sizeof four);
        return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(four)))));
    }
    const uint16x4_t half = vld1_u16((const uint16_t *)p + at);
    return type == F16 ? vcvt_f32_f16(vreinterpret_f16_u16(half)) : vreinterpretq_f32_u32(vshll_n_u16(half, 16));
}

/// e^x by 2^n · p(r), |r| <= ln2/2, relative error below 2e-7; clamped to the range of normal floats; exact at 0.
NEON_INLINE float32x4_t exponential(float32x4_t x) {
    x = vminnmq_f32(vmaxnmq_f32(x, vdupq_n_f32(-87.3f)), vdupq_n_f32(88.3f));
    const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
    float32x4_t r = vfmsq_f32(x, n, vdupq_n_f32(0.693145752f));
    r = vfmsq_f32(r, n, vdupq_n_f32(1.42860677e-6f));
    float32x4_t p = vdupq_n_f32(1.38888889e-3f);
    p = vfmaq_f32(vdupq_n_f32(8.33333333e-3f), p, r);
    p = vfmaq_f32(vdupq_n_f32(4.16666667e-2f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1.66666667e-1f), p, r);
    p = vfmaq_f32(vdupq_n_f32(0.5f), p, r);
    p = vfmaq_f32(vdupq_n_f32(1), p, r);
    p = vfmaq_f32(vdupq_n_f32(1), p, r);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtq_s32_f32(n), 23)));
}

/// Hands over one row's results of a panel, `at` outputs from the first.
NEON_INLINE void put(const ck_target *to, size_t row, size_t at, const float32x4_t values[VECTORS]) {
    float *out = to->out + row * to->stride + at;
    UNROLL for (int i = 0; i < VECTORS; i++) {
        const float32x4_t value = to->bias ? vaddq_f32(values[i], vld1q_f32(to->bias + at + 4 * i)) : values[i];
        vst1q_f32(out + 4 * i, to->accumulate ? vaddq_f32(vld1q_f32(out + 4 * i), value) : value);
    }
}

/// R rows by one panel of floats.
NEON_INLINE void float_tile(const float_type type, const int R, const uint8_t *w, size_t columns, const float *x,
                            size_t x_stride, const ck_target *to, size_t row, size_t at) {
    float32x4_t sum[FLOAT_ROWS][VECTORS];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int i = 0; i < VECTORS; i++) sum[r][i] = vdupq_n_f32(0);
    for (size_t k = 0; k < columns; k++) {
        float32x4_t lanes[VECTORS];
        UNROLL for (int i = 0; i < VECTORS; i++) lanes[i] = load(type, w, k * CK_PANEL + 4 * (size_t)i);
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < VECTORS; i++)
                sum[r][i] = vfmaq_n_f32(sum[r][i], lanes[i], x[(size_t)r * x_stride + k]);
    }
    UNROLL for (int r = 0; r < R; r++) put(to, row + (size_t)r, at, sum[r]);
}

NEON_INLINE void float_panels(const float_type type, const uint8_t *w, size_t panels, size_t columns,
                              const ck_activations *a, size_t first, size_t count, const ck_target *to) {
    const size_t panel_bytes = columns * CK_PANEL * (type == F32 ? 4 : 2), stride = a->stride;
    for (size_t p = 0; p < panels; p++, w += panel_bytes)
        for (size_t row = 0; row < count; row += FLOAT_ROWS) {
            const float *x = a->values + (first + row) * stride;
            switch (count - row) {
            case 1: float_tile(type, 1, w, columns, x, stride, to, row, p * CK_PANEL); break;
            case 2: float_tile(type, 2, w, columns, x, stride, to, row, p * CK_PANEL); break;
            case 3: float_tile(type, 3, w, columns, x, stride, to, row, p * CK_PANEL); break;
            case 4: float_tile(type, 4, w, columns, x, stride, to, row, p * CK_PANEL); break;
            case 5: float_tile(type, 5, w, columns, x, stride, to, row, p * CK_PANEL); break;
            default: float_tile(type, FLOAT_ROWS, w, columns, x, stride, to, row, p * CK_PANEL); break;
            }
        }
}

/// Four int8 inputs, the same for all four outputs of a vector.
NEON_INLINE int8x16_t four_inputs(const int8_t *quants) {
    int32_t four;
    memcpy(&four, quants, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

/// Integer sums of one Q8_0 block. Two products of -128...127 and -127...127 are at most 32,512: pairs fit 16 bits.
NEON_INLINE void q8_block(const int R, const int8_t *units, const int8_t *x, size_t stride,
                          int32x4_t sum[][VECTORS]) {
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int i = 0; i < VECTORS; i++) sum[r][i] = vdupq_n_s32(0);
#pragma clang loop unroll(disable)
    for (int g = 0; g < 8; g++)
        UNROLL for (int r = 0; r < R; r++) {
            const int8x16_t v = four_inputs(x + (size_t)r * stride + 4 * g);
            UNROLL for (int i = 0; i < VECTORS; i++) {
                const int8x16_t w = vld1q_s8(units + 64 * g + 16 * i);
                const int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(v)), high = vmull_high_s8(w, v);
                sum[r][i] = vpadalq_s16(sum[r][i], vpaddq_s16(low, high));
            }
        }
}

/// Integer sums of one Q4_0 block. A product is at most 8·127 and an output's 32 of them 32,512: all fit 16 bits.
NEON_INLINE void q4_block(const int R, const int8_t *units, const int8_t *x, size_t stride,
                          int32x4_t sum[][VECTORS]) {
    const int8x16_t eight = vdupq_n_s8(8);
    UNROLL for (int first = 0; first < VECTORS; first += 2) {
        int16x8_t low[INTEGER_ROWS][2], high[INTEGER_ROWS][2];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 2; i++) low[r][i] = high[r][i] = vdupq_n_s16(0);
#pragma clang loop unroll(disable)
        for (int g = 0; g < 4; g++) {
            int8x16_t w[2][2];
            UNROLL for (int i = 0; i < 2; i++) {
                const uint8x16_t bytes = vreinterpretq_u8_s8(vld1q_s8(units + 64 * g + 16 * (first + i)));
                w[i][0] = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15))), eight);
                w[i][1] = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4)), eight);
            }
            UNROLL for (int r = 0; r < R; r++)
                UNROLL for (int half = 0; half < 2; half++) {
                    const int8x16_t v = four_inputs(x + (size_t)r * stride + 4 * g + 16 * half);
                    UNROLL for (int i = 0; i < 2; i++) {
                        low[r][i] = vmlal_s8(low[r][i], vget_low_s8(w[i][half]), vget_low_s8(v));
                        high[r][i] = vmlal_high_s8(high[r][i], w[i][half], v);
                    }
                }
        }
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 2; i++) sum[r][first + i] = vpaddlq_s16(vpaddq_s16(low[r][i], high[r][i]));
    }
}

NEON_INLINE void quantised_tile(const int bytes, const int R, const uint8_t *w, size_t blocks, const int8_t *x,
                                const float *scales, const ck_target *to, size_t row, size_t at) {
    const size_t stride = blocks * CK_BLOCK;
    float32x4_t total[INTEGER_ROWS][VECTORS];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int i = 0; i < VECTORS; i++) total[r][i] = vdupq_n_f32(0);
    for (size_t b = 0; b < blocks; b++, w += bytes, x += CK_BLOCK) {
        const int8_t *units = (const int8_t *)w + 2 * CK_PANEL;
        int32x4_t sum[INTEGER_ROWS][VECTORS];
        if (bytes == Q8_BYTES) q8_block(R, units, x, stride, sum);
        else q4_block(R, units, x, stride, sum);
        UNROLL for (int i = 0; i < VECTORS; i++) {
            const float32x4_t lanes = load(F16, w, 4 * (size_t)i);
            UNROLL for (int r = 0; r < R; r++) {
                const float32x4_t scale = vmulq_n_f32(lanes, scales[(size_t)r * blocks + b]);
                total[r][i] = vfmaq_f32(total[r][i], vcvtq_f32_s32(sum[r][i]), scale);
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++) put(to, row + (size_t)r, at, total[r]);
}

NEON_INLINE void quantised_panels(const int bytes, const uint8_t *w, size_t panels, size_t columns,
                                  const ck_activations *a, size_t first, size_t count, const ck_target *to) {
    const size_t blocks = columns / CK_BLOCK;   // columns == stride for quantised weights
    for (size_t p = 0; p < panels; p++, w += blocks * (size_t)bytes)
        for (size_t row = 0; row < count; row += INTEGER_ROWS) {
            const int8_t *x = a->quants + (first + row) * columns;
            const float *scales = a->scales + (first + row) * blocks;
            switch (count - row) {
            case 1: quantised_tile(bytes, 1, w, blocks, x, scales, to, row, p * CK_PANEL); break;
            case 2: quantised_tile(bytes, 2, w, blocks, x, scales, to, row, p * CK_PANEL); break;
            case 3: quantised_tile(bytes, 3, w, blocks, x, scales, to, row, p * CK_PANEL); break;
            default: quantised_tile(bytes, INTEGER_ROWS, w, blocks, x, scales, to, row, p * CK_PANEL); break;
            }
        }
}

#define PANELS(NAME, BODY, KIND)                                                                                \
    static void NAME(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,    \
                     size_t count, const ck_target *to) {                                                       \
        BODY(KIND, w, panels, columns, x, first, count, to);                                                    \
    }
PANELS(panels_f32, float_panels, F32)
PANELS(panels_f16, float_panels, F16)
PANELS(panels_bf16, float_panels, BF16)
PANELS(panels_q8_0, quantised_panels, Q8_BYTES)
PANELS(panels_q4_0, quantised_panels, Q4_BYTES)

static void rms_norm(const float *x, const float *weight, size_t n, size_t stride, float eps, float *y) {
    float32x4_t low = vdupq_n_f32(0), high = low;
    for (size_t i = 0; i < stride; i += 8) {
        const float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + 4);
        low = vfmaq_f32(low, a, a);
        high = vfmaq_f32(high, b, b);
    }
    const float scale = 1 / sqrtf(sum_lanes(low, high) / (float)n + eps);
    for (size_t i = 0; i < stride; i += 4)
        vst1q_f32(y + i, vmulq_f32(vld1q_f32(weight + i), vmulq_n_f32(vld1q_f32(x + i), scale)));
}

static void quantize(const float *x, size_t stride, int8_t *quants, float *scales, int32_t *sums) {
    for (size_t b = 0; b < stride / CK_BLOCK; b++, x += CK_BLOCK, quants += CK_BLOCK) {
        float32x4_t v[8], largest = vdupq_n_f32(0);
        for (int i = 0; i < 8; i++) {
            v[i] = vld1q_f32(x + 4 * i);
            largest = vmaxq_f32(largest, vabsq_f32(v[i]));
        }
        const float amax = vmaxvq_f32(largest);
        // Below 1e-30 the inverse would overflow; such a block is zero to any model.
        const float inverse = amax >= 1e-30f ? 127 / amax : 0;
        int16x8_t sum = vdupq_n_s16(0);
        for (int i = 0; i < 4; i++) {
            const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(v[2 * i], inverse));
            const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(v[2 * i + 1], inverse));
            const int16x8_t both = vqmovn_high_s32(vqmovn_s32(low), high);
            sum = vaddq_s16(sum, both);
            vst1_s8(quants + 8 * i, vqmovn_s16(both));
        }
        scales[b] = amax / 127;
        sums[b] = vaddlvq_s16(sum);
    }
}

static void exp_all(const float *x, float *y, size_t n) {
    for (size_t i = 0; i < n; i += 4) vst1q_f32(y + i, exponential(vld1q_f32(x + i)));
}

static void swiglu(float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += 4) {
        const float32x4_t g = vld1q_f32(gate + i);
        const float32x4_t silu = vdivq_f32(g, vaddq_f32(vdupq_n_f32(1), exponential(vnegq_f32(g))));
        vst1q_f32(gate + i, vmulq_f32(silu, vld1q_f32(up + i)));
    }
}

static void to_f16(const float *x, uint16_t *y, size_t n) {
    const float32x4_t limit = vdupq_n_f32(65504), lower = vdupq_n_f32(-65504);
    for (size_t i = 0; i < n; i += 4) {
        // These minima and maxima give the number where the other is NaN.
        const float32x4_t v = vmaxnmq_f32(vminnmq_f32(vld1q_f32(x + i), limit), lower);
        vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(v)));
    }
}

/// `v` times the four scales from `at` on, where there are any.
NEON_INLINE float32x4_t scaled(float32x4_t v, const float *scales, size_t at) {
    return scales ? vmulq_f32(v, vld1q_f32(scales + at)) : v;
}

/// The same for weights and V's scales.
NEON_INLINE float32x4_t scaled_weights(float32x4_t v, const float *scales, size_t at) {
    const uint32x4_t counting = vandq_u32(vcgeq_f32(v, vdupq_n_f32(CK_LEAST_WEIGHT)), vreinterpretq_u32_f32(v));
    return scales ? scaled(vreinterpretq_f32_u32(counting), scales, at) : v;
}

/// p[r] = q[r] · K for 32 tokens, lanes are tokens.
NEON_INLINE void scores(const float_type type, const int R, const ck_queries *a, const uint8_t *block, const float *scales,
                        float p[][CK_BLOCK]) {
    for (size_t from = 0; from < CK_BLOCK; from += 16) {
        float32x4_t sum[CK_MAX_QUERIES][4];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 4; i++) sum[r][i] = vdupq_n_f32(0);
        for (size_t d = 0; d < a->head_dim; d++)
            UNROLL for (int i = 0; i < 4; i++) {
                const float32x4_t key = load(type, block, d * CK_BLOCK + from + 4 * (size_t)i);
                UNROLL for (int r = 0; r < R; r++) sum[r][i] = vfmaq_n_f32(sum[r][i], key, a->q[r][d]);
            }
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 4; i++) {
                const size_t at = from + 4 * (size_t)i;
                vst1q_f32(p[r] + at, scaled(sum[r][i], scales, at));
            }
    }
}

/// Turns scores into weights relative to the largest so far, times V's scales, and returns what rescales everything before.
NEON_INLINE float weigh(float *p, int32_t visible, const float *scales, float *largest, float32x4_t total[2]) {
    const int32x4_t lane = {0, 1, 2, 3};
    uint32x4_t mask[8];
    float32x4_t s[8], top = vdupq_n_f32(*largest);
    for (int i = 0; i < 8; i++) {
        mask[i] = vcgtq_s32(vdupq_n_s32(visible - 4 * i), lane);
        s[i] = vbslq_f32(mask[i], vld1q_f32(p + 4 * i), vdupq_n_f32(-FLT_MAX));
        top = vmaxq_f32(s[i], top);
    }
    const float now = vmaxvq_f32(top);
    for (int i = 0; i < 8; i++) {
        const float32x4_t weight = exponential(vsubq_f32(s[i], vdupq_n_f32(now)));
        s[i] = vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(weight), mask[i]));
        vst1q_f32(p + 4 * i, scaled_weights(s[i], scales, 4 * (size_t)i));
    }
    const float32x4_t rescale = exponential(vdupq_n_f32(*largest - now));
    for (int i = 0; i < 2; i++) {
        const float32x4_t sum = vaddq_f32(vaddq_f32(s[i], s[i + 2]), vaddq_f32(s[i + 4], s[i + 6]));
        total[i] = vfmaq_f32(sum, total[i], rescale);
    }
    *largest = now;
    return vgetq_lane_f32(rescale, 0);
}

/// out[r] = out[r] · rescale[r] + p[r] · V, lanes are the head's dimensions.
NEON_INLINE void weighted_values(const float_type type, const int R, const ck_queries *a, const uint8_t *block,
                                 const float p[][CK_BLOCK], const float *rescale, float out[][CK_MAX_HEAD]) {
    for (size_t d = 0; d < a->head_stride; d += 16) {
        float32x4_t sum[CK_MAX_QUERIES][4];
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 4; i++) sum[r][i] = vmulq_n_f32(vld1q_f32(out[r] + d + 4 * i), rescale[r]);
        for (size_t t = 0; t < CK_BLOCK; t++)
            UNROLL for (int i = 0; i < 4; i++) {
                const size_t at = a->head_dim * CK_BLOCK + t * a->head_stride + d + 4 * (size_t)i;
                const float32x4_t value = load(type, block, at);
                UNROLL for (int r = 0; r < R; r++) sum[r][i] = vfmaq_n_f32(sum[r][i], value, p[r][t]);
            }
        UNROLL for (int r = 0; r < R; r++)
            UNROLL for (int i = 0; i < 4; i++) vst1q_f32(out[r] + d + 4 * i, sum[r][i]);
    }
}

/// Online softmax (Milakov and Gimelshein 2018) by cache block. A block that is masked for one of the queries leaves
/// it untouched: its weights are zero and its rescale is exactly 1.
NEON_INLINE void attend(const float_type type, const int R, const ck_queries *a) {
    float p[CK_MAX_QUERIES][CK_BLOCK], out[CK_MAX_QUERIES][CK_MAX_HEAD];
    float32x4_t total[CK_MAX_QUERIES][2];
    float largest[CK_MAX_QUERIES], rescale[CK_MAX_QUERIES];
    int32_t last = 0;
    for (int r = 0; r < R; r++) {
        total[r][0] = total[r][1] = vdupq_n_f32(0);
        largest[r] = -FLT_MAX;
        for (size_t d = 0; d < a->head_stride; d++) out[r][d] = 0;
        if (a->position[r] > last) last = a->position[r];
    }
    for (int32_t start = 0; start <= last; start += CK_BLOCK) {
        const uint8_t *block = (const uint8_t *)a->cache + (size_t)a->blocks[start / CK_BLOCK] * a->block_stride;
        const float *k = type == I8 ? ck_scales(CK_I8, block, a->head_dim, a->head_stride) : NULL;
        const float *v = k ? k + CK_BLOCK : NULL;
        scores(type, R, a, block, k, p);
        for (int r = 0; r < R; r++) rescale[r] = weigh(p[r], a->position[r] + 1 - start, v, &largest[r], total[r]);
        weighted_values(type, R, a, block, p, rescale, out);
    }
    for (int r = 0; r < R; r++) {
        const float sum = sum_lanes(total[r][0], total[r][1]);
        for (size_t d = 0; d < a->head_dim; d++) a->out[r][d] = out[r][d] / sum;
    }
}

NEON_INLINE void attend_all(const float_type type, const ck_queries *queries) {
    switch (queries->count) {
    case 1: attend(type, 1, queries); break;
    case 2: attend(type, 2, queries); break;
    case 3: attend(type, 3, queries); break;
    default: attend(type, 4, queries); break;
    }
}

static void attention(const ck_queries *queries) {
    switch (queries->type) {
    case CK_F32: attend_all(F32, queries); break;
    case CK_F16: attend_all(F16, queries); break;
    default: attend_all(I8, queries); break;
    }
}

const ck_kernels *ck_kernels_neon(void) {
    static const ck_kernels kernels = {
        "neon", panels_f32, panels_f16, panels_bf16, panels_q8_0, panels_q4_0,
        rms_norm, quantize, swiglu, to_f16, attention, exp_all, NULL, 4,
    };
    return &kernels;
}

#else

const ck_kernels *ck_kernels_neon(void) { return NULL; }

#endif
