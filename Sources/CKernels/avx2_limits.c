// The instructions at the heart of the AVX2 products, on registers alone: what a product could reach at best.
#include "avx2.h"

#if defined(__x86_64__)

enum { FLOAT_SUMS = 12, BYTE_SUMS = 8, NIBBLE_SUMS = 4, STEPS_IN_16_BITS = 8 };

/// A value that the compiler must take as new, so that it leaves no instruction out.
#define RENEW(v) __asm__ volatile("" : "+x"(v))

AVX2 static uint64_t floats(size_t rounds) {
    __m256 a = _mm256_setzero_ps(), sum[FLOAT_SUMS];
    for (int i = 0; i < FLOAT_SUMS; i++) sum[i] = a;
    for (; rounds > 0; rounds--)
#pragma clang loop unroll(full)
        for (int i = 0; i < FLOAT_SUMS; i++) {
            RENEW(a);
            sum[i] = _mm256_fmadd_ps(a, a, sum[i]);
        }
    for (int i = 0; i < FLOAT_SUMS; i++) RENEW(sum[i]);
    return FLOAT_SUMS * 8 * 2;
}

/// One multiplication of bytes, one that adds pairs, one addition: 32 multiply-adds.
AVX2 static uint64_t bytes(size_t rounds) {
    __m256i v = _mm256_setzero_si256(), sum[BYTE_SUMS];
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < BYTE_SUMS; i++) sum[i] = v;
    for (; rounds > 0; rounds--)
#pragma clang loop unroll(full)
        for (int i = 0; i < BYTE_SUMS; i++) {
            RENEW(v);
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(_mm256_maddubs_epi16(v, v), ones));
        }
    for (int i = 0; i < BYTE_SUMS; i++) RENEW(sum[i]);
    return BYTE_SUMS * 32 * 2;
}

/// Eight multiplications that add up in 16 bits for each one that adds pairs.
AVX2 static uint64_t nibbles(size_t rounds) {
    __m256i v = _mm256_setzero_si256(), sum[NIBBLE_SUMS];
    const __m256i ones = _mm256_set1_epi16(1);
    for (int i = 0; i < NIBBLE_SUMS; i++) sum[i] = v;
    for (; rounds > 0; rounds--)
#pragma clang loop unroll(full)
        for (int i = 0; i < NIBBLE_SUMS; i++) {
            __m256i pairs = _mm256_setzero_si256();
#pragma clang loop unroll(full)
            for (int step = 0; step < STEPS_IN_16_BITS; step++) {
                RENEW(v);
                pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(v, v));
            }
            sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(pairs, ones));
        }
    for (int i = 0; i < NIBBLE_SUMS; i++) RENEW(sum[i]);
    return NIBBLE_SUMS * STEPS_IN_16_BITS * 32 * 2;
}

uint64_t ck_avx2_peak(uint32_t type, size_t rounds) {
    switch (type) {
    case CK_Q8_0: return bytes(rounds);
    case CK_Q4_0: return nibbles(rounds);
    default: return floats(rounds);
    }
}
#endif
