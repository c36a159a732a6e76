// AVX-512 attention: up to eight queries share each load and conversion of K and V.
#include "avx512.h"

#if defined(__x86_64__)
#include <float.h>

/// Sixteen values of a block of the cache, `at` values from its start.
AVX512_INLINE __m512 cached(const uint32_t type, const uint8_t *block, size_t at) {
    if (type == CK_F32) return _mm512_loadu_ps((const float *)block + at);
    if (type == CK_F16) return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)((const uint16_t *)block + at)));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(block + at))));
}

/// Fetches `count` values of a block, `at` values from its start. Blocks lie apart, which the processor would not notice
/// in time: while one is computed, the next one comes.
AVX512_INLINE void fetch(const uint32_t type, const uint8_t *block, size_t at, int count) {
    const size_t bytes = ck_value_bytes(type);
#pragma clang loop unroll(full)
    for (size_t line = 0; line < (size_t)count * bytes; line += 64) _mm_prefetch(block + at * bytes + line, _MM_HINT_T1);
}

/// `v` times the sixteen scales from `at` on, where there are any.
AVX512_INLINE __m512 scaled(__m512 v, const float *scales, int at) {
    return scales ? _mm512_mul_ps(v, _mm512_loadu_ps(scales + at)) : v;
}

/// The same for weights and V's scales.
AVX512_INLINE __m512 scaled_weights(__m512 v, const float *scales, int at) {
    const __mmask16 counting = _mm512_cmp_ps_mask(v, _mm512_set1_ps(CK_LEAST_WEIGHT), _CMP_GE_OQ);
    return scales ? scaled(_mm512_maskz_mov_ps(counting, v), scales, at) : v;
}

/// p[r] = q[r] · K for 32 tokens, lanes are tokens.
AVX512_INLINE void scores(const uint32_t type, const int R, const ck_queries *a, const uint8_t *block, const float *scales,
                          const uint8_t *next, float p[][CK_BLOCK]) {
    __m512 sum[CK_MAX_QUERIES][2];
    if (scales) fetch(type, next, CK_BLOCK * (a->head_dim + a->head_stride), 2 * CK_BLOCK * sizeof *scales);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (size_t d = 0; d < a->head_dim; d++) {
        fetch(type, next, d * CK_BLOCK, CK_BLOCK);
        const __m512 low = cached(type, block, d * CK_BLOCK), high = cached(type, block, d * CK_BLOCK + 16);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m512 q = _mm512_set1_ps(a->q[r][d]);
            sum[r][0] = _mm512_fmadd_ps(q, low, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(q, high, sum[r][1]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        _mm512_store_ps(p[r], scaled(sum[r][0], scales, 0));
        _mm512_store_ps(p[r] + 16, scaled(sum[r][1], scales, 16));
    }
}

/// Turns scores into weights relative to the largest so far, `largest`, times V's scales, and returns by what that one
/// grew. `sum` takes the weights' sums in the order of eight lanes.
AVX512_INLINE float weigh(float *p, int32_t visible, const float *scales, float *largest, __m256 *sum) {
    const uint32_t mask = visible >= CK_BLOCK ? ~0u : visible > 0 ? (1u << visible) - 1 : 0;
    const __m512 lowest = _mm512_set1_ps(-FLT_MAX);
    const __m512 low = _mm512_mask_loadu_ps(lowest, (__mmask16)mask, p);
    const __m512 high = _mm512_mask_loadu_ps(lowest, (__mmask16)(mask >> 16), p + 16);
    const float top = _mm512_reduce_max_ps(_mm512_max_ps(low, high)), before = *largest;
    const float now = top > before ? top : before;
    const __m512 a = _mm512_maskz_mov_ps((__mmask16)mask, exponential16(_mm512_sub_ps(low, _mm512_set1_ps(now))));
    const __m512 b = _mm512_maskz_mov_ps((__mmask16)(mask >> 16), exponential16(_mm512_sub_ps(high, _mm512_set1_ps(now))));
    _mm512_store_ps(p, scaled_weights(a, scales, 0));
    _mm512_store_ps(p + 16, scaled_weights(b, scales, 16));
    *sum = _mm256_add_ps(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)),
                         _mm256_add_ps(_mm512_castps512_ps256(b), _mm512_extractf32x8_ps(b, 1)));
    *largest = now;
    return before - now;
}

/// out[r] = out[r] · rescale[r] + p[r] · V for P times 16 of the head's dimensions, which are the lanes; the first token's
/// lie at `at`.
AVX512_INLINE void values(const uint32_t type, const int R, const int P, const ck_queries *a, const uint8_t *block,
                          const uint8_t *next, size_t at, const float p[][CK_BLOCK], const float *rescale, float *out) {
    __m512 sum[CK_MAX_QUERIES][4];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int i = 0; i < P; i++)
            sum[r][i] = _mm512_mul_ps(_mm512_load_ps(out + r * CK_MAX_HEAD + 16 * i), _mm512_set1_ps(rescale[r]));
    for (size_t t = 0; t < CK_BLOCK; t++, at += a->head_stride) {
        fetch(type, next, at, 16 * P);
        __m512 lanes[4];
#pragma clang loop unroll(full)
        for (int i = 0; i < P; i++) lanes[i] = cached(type, block, at + 16 * (size_t)i);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m512 weight = _mm512_set1_ps(p[r][t]);
#pragma clang loop unroll(full)
            for (int i = 0; i < P; i++) sum[r][i] = _mm512_fmadd_ps(weight, lanes[i], sum[r][i]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int i = 0; i < P; i++) _mm512_store_ps(out + r * CK_MAX_HEAD + 16 * i, sum[r][i]);
}

/// Online softmax (Milakov and Gimelshein 2018) by cache block. A block that is masked for one of the queries leaves
/// it untouched: its weights are zero and its rescale is exactly 1.
AVX512_INLINE void attend(const uint32_t type, const int R, const ck_queries *a) {
    enum { WIDE_STEP = 4, STEP = 2 };
    const int P = R <= 4 ? WIDE_STEP : STEP;   // sums that the registers hold
    _Alignas(64) float p[CK_MAX_QUERIES][CK_BLOCK], out[CK_MAX_QUERIES][CK_MAX_HEAD];
    __m256 total[CK_MAX_QUERIES], sum[CK_MAX_QUERIES];
    _Alignas(32) float largest[CK_MAX_QUERIES], rescale[CK_MAX_QUERIES] = {0};
    int32_t last = 0;
    for (int r = 0; r < R; r++) {
        total[r] = _mm256_setzero_ps();
        largest[r] = -FLT_MAX;
        for (size_t d = 0; d < a->head_stride; d += 16) _mm512_store_ps(out[r] + d, _mm512_setzero_ps());
        if (a->position[r] > last) last = a->position[r];
    }
    for (int32_t start = 0; start <= last; start += CK_BLOCK) {
        const uint8_t *cache = a->cache, *next = a->next ? a->next : a->cache;
        const uint8_t *block = cache + (size_t)a->blocks[start / CK_BLOCK] * a->block_stride;
        if (start + CK_BLOCK <= last) next = cache + (size_t)a->blocks[start / CK_BLOCK + 1] * a->block_stride;
        const float *k = ck_scales(type, block, a->head_dim, a->head_stride), *v = k ? k + CK_BLOCK : NULL;
        scores(type, R, a, block, k, next, p);
        for (int r = 0; r < R; r++) rescale[r] = weigh(p[r], a->position[r] + 1 - start, v, &largest[r], &sum[r]);
        _mm256_store_ps(rescale, exponential(_mm256_load_ps(rescale)));
        for (int r = 0; r < R; r++) total[r] = _mm256_fmadd_ps(total[r], _mm256_set1_ps(rescale[r]), sum[r]);
        size_t d = 0;
        const size_t first = a->head_dim * CK_BLOCK;
        for (; d + 16 * (size_t)P <= a->head_stride; d += 16 * (size_t)P)
            values(type, R, P, a, block, next, first + d, p, rescale, out[0] + d);
        for (; d < a->head_stride; d += 16) values(type, R, 1, a, block, next, first + d, p, rescale, out[0] + d);
    }
    for (int r = 0; r < R; r++) {
        const float all = sum_lanes(total[r]);
        for (size_t d = 0; d < a->head_dim; d++) a->out[r][d] = out[r][d] / all;
    }
}

AVX512_INLINE void attend_all(const uint32_t type, const ck_queries *queries) {
#define CASE(R) case R: attend(type, R, queries); break
    switch (queries->count) {
        CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7); CASE(8);
    }
#undef CASE
}

AVX512 void ck_avx512_attention(const ck_queries *queries) {
    switch (queries->type) {
    case CK_F32: attend_all(CK_F32, queries); break;
    case CK_F16: attend_all(CK_F16, queries); break;
    default: attend_all(CK_I8, queries); break;
    }
}
#endif
