// AVX-512 with VNNI: what is faster here than with AVX2, whose kernels fill the rest of the table.
#include "avx512.h"

#if defined(__x86_64__)

enum { SUMS = 12 };

/// The instructions at the heart of the products, on registers alone: 16 multiply-adds of floats, 64 of bytes.
AVX512 static uint64_t floats(size_t rounds) {
    __m512 v = _mm512_setzero_ps(), sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = v;
    for (; rounds > 0; rounds--)
#pragma clang loop unroll(full)
        for (int i = 0; i < SUMS; i++) {
            __asm__ volatile("" : "+v"(v));   // taken as new, so that the compiler leaves nothing out
            sum[i] = _mm512_fmadd_ps(v, v, sum[i]);
        }
    for (int i = 0; i < SUMS; i++) __asm__ volatile("" : "+v"(sum[i]));
    return SUMS * 16 * 2;
}

AVX512 static uint64_t bytes(size_t rounds) {
    __m512i v = _mm512_setzero_si512(), sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = v;
    for (; rounds > 0; rounds--)
#pragma clang loop unroll(full)
        for (int i = 0; i < SUMS; i++) {
            __asm__ volatile("" : "+v"(v));
            sum[i] = _mm512_dpbusd_epi32(sum[i], v, v);
        }
    for (int i = 0; i < SUMS; i++) __asm__ volatile("" : "+v"(sum[i]));
    return SUMS * 64 * 2;
}

static uint64_t peak(uint32_t type, size_t rounds) {
    return type == CK_Q8_0 || type == CK_Q4_0 ? bytes(rounds) : floats(rounds);
}

const ck_kernels *ck_kernels_avx512(void) {
    static const ck_kernels kernels = {
        "avx512", ck_avx512_panels_f32, ck_avx512_panels_f16, ck_avx512_panels_bf16, ck_avx512_panels_q8_0,
        ck_avx512_panels_q4_0, ck_avx2_rms_norm, ck_avx2_quantize, ck_avx2_swiglu, ck_avx2_to_f16, ck_avx512_attention,
        ck_avx2_exp, peak, CK_MAX_QUERIES,
    };
    __builtin_cpu_init();
    const int supported = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vnni");
    return supported && ck_kernels_avx2() ? &kernels : NULL;
}

#else

#include "kernels.h"

const ck_kernels *ck_kernels_avx512(void) { return NULL; }

#endif
