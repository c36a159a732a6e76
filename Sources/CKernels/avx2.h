// What the AVX2 kernels share. Each function carries the target attribute; the module has no global -march.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#define AVX2 __attribute__((target("avx2,fma,f16c")))
/// Inlined with constant arguments, so that a tile's loops unroll into registers.
#define AVX2_INLINE __attribute__((target("avx2,fma,f16c"), always_inline)) static inline

ck_panels_fn ck_avx2_panels_f32, ck_avx2_panels_f16, ck_avx2_panels_bf16, ck_avx2_panels_q8_0, ck_avx2_panels_q4_0;
void ck_avx2_rms_norm(const float *x, const float *weight, size_t n, size_t stride, float eps, float *y);
void ck_avx2_quantize(const float *x, size_t stride, int8_t *quants, float *scales, int32_t *sums);
void ck_avx2_swiglu(float *gate, const float *up, size_t n);
void ck_avx2_to_f16(const float *x, uint16_t *y, size_t n);
void ck_avx2_exp(const float *x, float *y, size_t n);
void ck_avx2_attention(const ck_queries *queries);
uint64_t ck_avx2_peak(uint32_t type, size_t rounds);

AVX2_INLINE float sum_lanes(__m256 v) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

AVX2_INLINE float max_lanes(__m256 v) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

AVX2_INLINE __m256 load_f16(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }

/// e^x by 2^n · p(r), |r| <= ln2/2, relative error below 2e-7; clamped to the range of normal floats; exact at 0.
AVX2_INLINE __m256 exponential(__m256 x) {
    x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-87.3f)), _mm256_set1_ps(88.3f));
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752f), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6f), r);
    __m256 p = _mm256_set1_ps(1.38888889e-3f);
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.33333333e-3f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.16666667e-2f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.66666667e-1f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}
#endif
