// What the AVX-512 kernels share. Each function carries the target attribute; the module has no global -march.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#include "avx2.h"

#define AVX512_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
#define AVX512 __attribute__((target(AVX512_TARGET)))
/// Inlined with constant arguments, so that a tile's loops unroll into registers.
#define AVX512_INLINE __attribute__((target(AVX512_TARGET), always_inline)) static inline

ck_panels_fn ck_avx512_panels_f32, ck_avx512_panels_f16, ck_avx512_panels_bf16;
ck_panels_fn ck_avx512_panels_q8_0, ck_avx512_panels_q4_0;
void ck_avx512_attention(const ck_queries *queries);

/// Hands over one row's results of a panel, `at` outputs from the first.
AVX512_INLINE void put(const ck_target *to, size_t row, size_t at, __m512 value) {
    float *out = to->out + row * to->stride + at;
    if (to->bias) value = _mm512_add_ps(value, _mm512_loadu_ps(to->bias + at));
    _mm512_storeu_ps(out, to->accumulate ? _mm512_add_ps(_mm512_loadu_ps(out), value) : value);
}

/// As AVX2's, for sixteen values.
AVX512_INLINE __m512 exponential16(__m512 x) {
    x = _mm512_min_ps(_mm512_max_ps(x, _mm512_set1_ps(-87.3f)), _mm512_set1_ps(88.3f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
    __m512 p = _mm512_set1_ps(1.38888889e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.33333333e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.16666667e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.66666667e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
}
#endif
