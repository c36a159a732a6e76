// AVX-512 VNNI panel kernels of Q8_0 and Q4_0: tiles of several rows by 16 outputs, one vector lane an output.
#include "avx512.h"

#if defined(__x86_64__)
#include <string.h>

enum { Q8_BYTES = 34 * CK_PANEL, Q4_BYTES = 18 * CK_PANEL, TILE = 8, AHEAD = 2048 };

/// sum[r] += the products of four inputs, the same ones for all outputs, with four unsigned weights of each output.
AVX512_INLINE void add_products(const int R, __m512i weights, const int8_t *x, size_t stride, __m512i *sum) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        int32_t four;
        memcpy(&four, x + (size_t)r * stride, sizeof four);
        sum[r] = _mm512_dpbusd_epi32(sum[r], weights, _mm512_set1_epi32(four));
    }
}

/// Integer sums of one block of R rows. vpdpbusd takes unsigned weights, so they are raised by 128 or by the 8 of a
/// nibble; what that adds too much, a multiple of the inputs' sum, goes off again.
AVX512_INLINE void block_sums(const int bytes, const int R, const uint8_t *units, const int8_t *x, size_t stride,
                              const int32_t *sums, size_t blocks, __m512i *sum) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r] = _mm512_setzero_si512();
    if (bytes == Q8_BYTES) {
        const __m512i sign = _mm512_set1_epi8(-128);
        // Rolled: unrolled, the compiler runs out of registers.
#pragma clang loop unroll(disable)
        for (int g = 0; g < 8; g++)
            add_products(R, _mm512_xor_si512(_mm512_loadu_si512(units + 64 * g), sign), x + 4 * g, stride, sum);
    } else {
        const __m512i nibble = _mm512_set1_epi8(15);
#pragma clang loop unroll(disable)
        for (int g = 0; g < 4; g++) {
            const __m512i both = _mm512_loadu_si512(units + 64 * g);
            add_products(R, _mm512_and_si512(both, nibble), x + 4 * g, stride, sum);
            add_products(R, _mm512_and_si512(_mm512_srli_epi16(both, 4), nibble), x + 4 * g + 16, stride, sum);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        const __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(sums[(size_t)r * blocks]), bytes == Q8_BYTES ? 7 : 3);
        sum[r] = _mm512_sub_epi32(sum[r], offset);
    }
}

/// R rows by one panel, to the outputs from `at` on. The first tile of a panel fetches the panel behind it, `next` bytes
/// further, while it computes.
AVX512_INLINE void tile(const int bytes, const int R, const uint8_t *w, size_t blocks, const ck_activations *a,
                        size_t first, size_t next, const ck_target *to, size_t row, size_t at) {
    const size_t stride = a->stride, x_blocks = stride / CK_BLOCK;
    const int8_t *x = a->quants + first * stride;
    const float *scales = a->scales + first * x_blocks;
    const int32_t *sums = a->sums + first * x_blocks;
    const size_t ahead = R == 1 ? AHEAD : next;   // a single row waits for memory: what it needs next counts
    __m512 total[TILE];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) total[r] = _mm512_setzero_ps();
    for (size_t b = 0; b < blocks; b++, w += bytes, x += CK_BLOCK) {
#pragma clang loop unroll(full)
        for (int line = 0; line < bytes && ahead > 0; line += 64)
            _mm_prefetch((const char *)w + ahead + line, _MM_HINT_T1);
        __m512i sum[TILE];
        block_sums(bytes, R, w + 2 * CK_PANEL, x, stride, sums + b, x_blocks, sum);
        const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)w));
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(scales[(size_t)r * x_blocks + b]));
            total[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r]), both, total[r]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) put(to, row + (size_t)r, at, total[r]);
}

/// Rows are cut into tiles of nearly the same size: a small one leaves the multipliers waiting.
AVX512_INLINE void panels_of(const int bytes, const uint8_t *w, size_t panels, size_t columns, const ck_activations *x,
                             size_t first, size_t count, const ck_target *to) {
    const size_t blocks = columns / CK_BLOCK, tiles = (count + TILE - 1) / TILE;
    for (size_t p = 0; p < panels; p++, w += blocks * (size_t)bytes)
        for (size_t t = 0; t < tiles; t++) {
            const size_t row = t * count / tiles, next = t == 0 ? blocks * (size_t)bytes : 0;
#define CASE(R) case R: tile(bytes, R, w, blocks, x, first + row, next, to, row, p * CK_PANEL); break
            switch ((t + 1) * count / tiles - row) {
            CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6);
            CASE(7); CASE(TILE);
            }
#undef CASE
        }
}

AVX512 void ck_avx512_panels_q8_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                                  size_t count, const ck_target *to) {
    panels_of(Q8_BYTES, w, panels, columns, x, first, count, to);
}

AVX512 void ck_avx512_panels_q4_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                                  size_t count, const ck_target *to) {
    panels_of(Q4_BYTES, w, panels, columns, x, first, count, to);
}
#endif
