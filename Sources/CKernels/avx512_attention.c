// AVX-512 attention: up to eight queries share each load and conversion of K and V.
#include "avx512.h"

#if defined(__x86_64__)
#include <float.h>

/// Sixteen values of the cache, `at` values from its start.
AVX512_INLINE __m512 cached(const bool wide, const ck_queries *a, size_t at) {
    if (wide) return _mm512_loadu_ps((const float *)a->cache + at);
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)((const uint16_t *)a->cache + at)));
}

/// Fetches `count` values of a block, `at` values from its start. Blocks lie apart, which the processor would not notice
/// in time: while one is computed, the next one comes.
AVX512_INLINE void fetch(const bool wide, const char *block, size_t at, int count) {
    const int bytes = wide ? 4 : 2;
#pragma clang loop unroll(full)
    for (int line = 0; line < count * bytes; line += 64)
        _mm_prefetch(block + at * (size_t)bytes + line, _MM_HINT_T1);
}

/// p[r] = q[r] · K for 32 tokens, lanes are tokens.
AVX512_INLINE void scores(const bool wide, const int R, const ck_queries *a, size_t k, const char *next,
                          float p[][CK_BLOCK]) {
    __m512 sum[CK_MAX_QUERIES][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (size_t d = 0; d < a->head_dim; d++) {
        fetch(wide, next, d * CK_BLOCK, CK_BLOCK);
        const __m512 low = cached(wide, a, k + d * CK_BLOCK), high = cached(wide, a, k + d * CK_BLOCK + 16);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m512 q = _mm512_set1_ps(a->q[r][d]);
            sum[r][0] = _mm512_fmadd_ps(q, low, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(q, high, sum[r][1]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        _mm512_store_ps(p[r], sum[r][0]);
        _mm512_store_ps(p[r] + 16, sum[r][1]);
    }
}

/// Turns scores into weights relative to the largest so far, `largest`, and returns by what that one grew. `sum` takes
/// the weights' sums in the order of eight lanes.
AVX512_INLINE float weigh(float *p, int32_t visible, float *largest, __m256 *sum) {
    const uint32_t mask = visible >= CK_BLOCK ? ~0u : visible > 0 ? (1u << visible) - 1 : 0;
    const __m512 lowest = _mm512_set1_ps(-FLT_MAX);
    const __m512 low = _mm512_mask_loadu_ps(lowest, (__mmask16)mask, p);
    const __m512 high = _mm512_mask_loadu_ps(lowest, (__mmask16)(mask >> 16), p + 16);
    const float top = _mm512_reduce_max_ps(_mm512_max_ps(low, high)), before = *largest;
    const float now = top > before ? top : before;
    const __m512 a = _mm512_maskz_mov_ps((__mmask16)mask, exponential16(_mm512_sub_ps(low, _mm512_set1_ps(now))));
    const __m512 b = _mm512_maskz_mov_ps((__mmask16)(mask >> 16), exponential16(_mm512_sub_ps(high, _mm512_set1_ps(now))));
    _mm512_store_ps(p, a);
    _mm512_store_ps(p + 16, b);
    *sum = _mm256_add_ps(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1)),
                         _mm256_add_ps(_mm512_castps512_ps256(b), _mm512_extractf32x8_ps(b, 1)));
    *largest = now;
    return before - now;
}

/// out[r] = out[r] · rescale[r] + p[r] · V for P times 16 of the head's dimensions, which are the lanes.
AVX512_INLINE void values(const bool wide, const int R, const int P, const ck_queries *a, size_t v, const char *next,
                          size_t at, const float p[][CK_BLOCK], const float *rescale, float *out) {
    __m512 sum[CK_MAX_QUERIES][4];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int i = 0; i < P; i++)
            sum[r][i] = _mm512_mul_ps(_mm512_load_ps(out + r * CK_MAX_HEAD + 16 * i), _mm512_set1_ps(rescale[r]));
    for (size_t t = 0; t < CK_BLOCK; t++, v += a->head_stride, at += a->head_stride) {
        fetch(wide, next, at, 16 * P);
        __m512 lanes[4];
#pragma clang loop unroll(full)
        for (int i = 0; i < P; i++) lanes[i] = cached(wide, a, v + 16 * (size_t)i);
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
AVX512_INLINE void attend(const bool wide, const int R, const ck_queries *a) {
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
        const size_t k = (size_t)a->blocks[start / CK_BLOCK] * a->block_stride, v = a->head_dim * CK_BLOCK;
        const char *cache = a->cache, *next = a->next ? a->next : a->cache;
        if (start + CK_BLOCK <= last)
            next = cache + (size_t)a->blocks[start / CK_BLOCK + 1] * a->block_stride * (wide ? 4 : 2);
        scores(wide, R, a, k, next, p);
        for (int r = 0; r < R; r++) rescale[r] = weigh(p[r], a->position[r] + 1 - start, &largest[r], &sum[r]);
        _mm256_store_ps(rescale, exponential(_mm256_load_ps(rescale)));
        for (int r = 0; r < R; r++) total[r] = _mm256_fmadd_ps(total[r], _mm256_set1_ps(rescale[r]), sum[r]);
        size_t d = 0;
        for (; d + 16 * (size_t)P <= a->head_stride; d += 16 * (size_t)P)
            values(wide, R, P, a, k + v + d, next, v + d, p, rescale, out[0] + d);
        for (; d < a->head_stride; d += 16) values(wide, R, 1, a, k + v + d, next, v + d, p, rescale, out[0] + d);
    }
    for (int r = 0; r < R; r++) {
        const float all = sum_lanes(total[r]);
        for (size_t d = 0; d < a->head_dim; d++) a->out[r][d] = out[r][d] / all;
    }
}

AVX512_INLINE void attend_all(const bool wide, const ck_queries *queries) {
#define CASE(R) case R: attend(wide, R, queries); break
    switch (queries->count) {
        CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6); CASE(7); CASE(8);
    }
#undef CASE
}

AVX512 void ck_avx512_attention(const ck_queries *queries) {
    if (queries->wide) attend_all(true, queries);
    else attend_all(false, queries);
}
#endif
