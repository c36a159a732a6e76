// AVX2 attention: up to four queries share each load and conversion of K and V.
#include "avx2.h"

#if defined(__x86_64__)
#include <float.h>

/// Eight values of a block of the cache, `at` values from its start.
AVX2_INLINE __m256 cached(const uint32_t type, const uint8_t *block, size_t at) {
    if (type == CK_F32) return _mm256_loadu_ps((const float *)block + at);
    if (type == CK_F16) return load_f16((const uint16_t *)block + at);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(block + at))));
}

/// `v` times the eight scales from `at` on, where there are any.
AVX2_INLINE __m256 scaled(__m256 v, const float *scales, int at) {
    return scales ? _mm256_mul_ps(v, _mm256_loadu_ps(scales + at)) : v;
}

/// The same for weights and V's scales.
AVX2_INLINE __m256 scaled_weights(__m256 v, const float *scales, int at) {
    return scales ? scaled(_mm256_and_ps(v, _mm256_cmp_ps(v, _mm256_set1_ps(CK_LEAST_WEIGHT), _CMP_GE_OQ)), scales, at) : v;
}

/// p[r] = q[r] · K for 32 tokens, lanes are tokens.
AVX2_INLINE void scores(const uint32_t type, const int R, const ck_queries *a, const uint8_t *block, const float *scales,
                        float p[][CK_BLOCK]) {
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
        __m256 sum[CK_MAX_QUERIES][2];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
        for (size_t d = 0; d < a->head_dim; d++) {
            const size_t tokens = d * CK_BLOCK + 16 * (size_t)half;
            const __m256 low = cached(type, block, tokens), high = cached(type, block, tokens + 8);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m256 q = _mm256_broadcast_ss(a->q[r] + d);
                sum[r][0] = _mm256_fmadd_ps(q, low, sum[r][0]);
                sum[r][1] = _mm256_fmadd_ps(q, high, sum[r][1]);
            }
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            _mm256_store_ps(p[r] + 16 * half, scaled(sum[r][0], scales, 16 * half));
            _mm256_store_ps(p[r] + 16 * half + 8, scaled(sum[r][1], scales, 16 * half + 8));
        }
    }
}

/// Turns scores into weights relative to the largest so far, times V's scales, and returns what rescales everything before.
AVX2_INLINE __m256 weigh(float *p, int32_t visible, const float *scales, float *largest, __m256 *total) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256 s[4], mask[4], top = _mm256_set1_ps(*largest);
    for (int i = 0; i < 4; i++) {
        mask[i] = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(visible - 8 * i), lane));
        s[i] = _mm256_blendv_ps(_mm256_set1_ps(-FLT_MAX), _mm256_load_ps(p + 8 * i), mask[i]);
        top = _mm256_max_ps(s[i], top);
    }
    const float now = max_lanes(top);
    for (int i = 0; i < 4; i++) {
        s[i] = _mm256_and_ps(exponential(_mm256_sub_ps(s[i], _mm256_set1_ps(now))), mask[i]);
        _mm256_store_ps(p + 8 * i, scaled_weights(s[i], scales, 8 * i));
    }
    const __m256 rescale = exponential(_mm256_set1_ps(*largest - now));
    const __m256 sum = _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]));
    *total = _mm256_fmadd_ps(*total, rescale, sum);
    *largest = now;
    return rescale;
}

/// out[r] = out[r] · rescale[r] + p[r] · V, lanes are the head's dimensions.
AVX2_INLINE void weighted_values(const uint32_t type, const int R, const ck_queries *a, const uint8_t *block,
                                 const float p[][CK_BLOCK], const __m256 *rescale, float out[][CK_MAX_HEAD]) {
    for (size_t d = 0; d < a->head_stride; d += 16) {
        __m256 sum[CK_MAX_QUERIES][2];
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            sum[r][0] = _mm256_mul_ps(_mm256_load_ps(out[r] + d), rescale[r]);
            sum[r][1] = _mm256_mul_ps(_mm256_load_ps(out[r] + d + 8), rescale[r]);
        }
        for (size_t t = 0; t < CK_BLOCK; t++) {
            const size_t values = a->head_dim * CK_BLOCK + t * a->head_stride + d;
            const __m256 low = cached(type, block, values), high = cached(type, block, values + 8);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m256 weight = _mm256_broadcast_ss(&p[r][t]);
                sum[r][0] = _mm256_fmadd_ps(weight, low, sum[r][0]);
                sum[r][1] = _mm256_fmadd_ps(weight, high, sum[r][1]);
            }
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            _mm256_store_ps(out[r] + d, sum[r][0]);
            _mm256_store_ps(out[r] + d + 8, sum[r][1]);
        }
    }
}

/// Online softmax (Milakov and Gimelshein 2018) by cache block. A block that is masked for one of the queries leaves
/// it untouched: its weights are zero and its rescale is exactly 1.
AVX2_INLINE void attend(const uint32_t type, const int R, const ck_queries *a) {
    _Alignas(32) float p[CK_MAX_QUERIES][CK_BLOCK], out[CK_MAX_QUERIES][CK_MAX_HEAD];
    __m256 total[CK_MAX_QUERIES], rescale[CK_MAX_QUERIES];
    float largest[CK_MAX_QUERIES];
    int32_t last = 0;
    for (int r = 0; r < R; r++) {
        total[r] = _mm256_setzero_ps();
        largest[r] = -FLT_MAX;
        for (size_t d = 0; d < a->head_stride; d++) out[r][d] = 0;
        if (a->position[r] > last) last = a->position[r];
    }
    for (int32_t start = 0; start <= last; start += CK_BLOCK) {
        const uint8_t *block = (const uint8_t *)a->cache + (size_t)a->blocks[start / CK_BLOCK] * a->block_stride;
        const float *k = ck_scales(type, block, a->head_dim, a->head_stride), *v = k ? k + CK_BLOCK : NULL;
        scores(type, R, a, block, k, p);
        for (int r = 0; r < R; r++) rescale[r] = weigh(p[r], a->position[r] + 1 - start, v, &largest[r], &total[r]);
        weighted_values(type, R, a, block, p, rescale, out);
    }
    for (int r = 0; r < R; r++) {
        const float sum = sum_lanes(total[r]);
        for (size_t d = 0; d < a->head_dim; d++) a->out[r][d] = out[r][d] / sum;
    }
}

AVX2_INLINE void attend_all(const uint32_t type, const ck_queries *queries) {
    switch (queries->count) {
    case 1: attend(type, 1, queries); break;
    case 2: attend(type, 2, queries); break;
    case 3: attend(type, 3, queries); break;
    default: attend(type, 4, queries); break;
    }
}

AVX2 void ck_avx2_attention(const ck_queries *queries) {
    switch (queries->type) {
    case CK_F32: attend_all(CK_F32, queries); break;
    case CK_F16: attend_all(CK_F16, queries); break;
    default: attend_all(CK_I8, queries); break;
    }
}
#endif
