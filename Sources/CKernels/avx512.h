// What the AVX-512 kernels share. Each function carries the target attribute; the module has no global -march.
#pragma once
#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels.h"

#define AVX512_TARGET "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c"
#define AVX512 __attribute__((target(AVX512_TARGET)))
/// Inlined with constant arguments, so that a tile's loops unroll into registers.
#define AVX512_INLINE __attribute__((target(AVX512_TARGET), always_inline)) static inline

ck_panels_fn ck_avx512_panels_q8_0, ck_avx512_panels_q4_0;
#endif
