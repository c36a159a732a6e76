// AVX-512 VNNI panel kernels of Q8_0 and Q4_0: tiles of several rows by one or two panels, one vector lane an output.
#include "avx512.h"

#if defined(__x86_64__)
#include <string.h>

// 12 integer sums, as many totals and some weights fill 32 registers: of Q8_0 as many rows as can share a weight, of Q4_0, whose
// weights are half as many bytes, two panels that share an input.
enum { Q8_BYTES = 34 * CK_PANEL, Q4_BYTES = 18 * CK_PANEL, SUMS = 12, PANELS = 2, AHEAD = 2048 };

/// sum[r][p] += the products of four inputs, the same ones for all outputs, with four unsigned weights of each output.
AVX512_INLINE void add_products(const int R, const int P, const __m512i *weights, const int8_t *x, size_t stride,
                                __m512i sum[][PANELS]) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        int32_t four;
        memcpy(&four, x + (size_t)r * stride, sizeof four);
        const __m512i inputs = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) sum[r][p] = _mm512_dpbusd_epi32(sum[r][p], weights[p], inputs);
    }
}

/// Integer sums of one block of R rows and P panels, `panel_bytes` apart. vpdpbusd takes unsigned weights, so they are raised
/// by 128 or by the 8 of a nibble; sums begin with what that adds too much, a multiple of the inputs' sum.
AVX512_INLINE void block_sums(const int bytes, const int R, const int P, const uint8_t *units, size_t panel_bytes,
                              const int8_t *x, size_t stride, const int32_t *sums, size_t blocks, __m512i sum[][PANELS]) {
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        const __m512i offset = _mm512_slli_epi32(_mm512_set1_epi32(sums[(size_t)r * blocks]), bytes == Q8_BYTES ? 7 : 3);
        sum[r][0] = sum[r][1] = _mm512_sub_epi32(_mm512_setzero_si512(), offset);
    }
    const __m512i sign = _mm512_set1_epi8(-128), nibble = _mm512_set1_epi8(15);
    // Rolled: unrolled, the compiler runs out of registers.
#pragma clang loop unroll(disable)
    for (int g = 0; g < (bytes == Q8_BYTES ? 8 : 4); g++, units += 64, x += 4) {
        __m512i low[PANELS], high[PANELS];
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) {
            const __m512i w = _mm512_loadu_si512(units + (size_t)p * panel_bytes);
            low[p] = bytes == Q8_BYTES ? _mm512_xor_si512(w, sign) : _mm512_and_si512(w, nibble);
            high[p] = _mm512_and_si512(_mm512_srli_epi16(w, 4), nibble);
        }
        add_products(R, P, low, x, stride, sum);
        if (bytes == Q4_BYTES) add_products(R, P, high, x + 16, stride, sum);
    }
}

/// R rows by P panels, to the outputs from `at` on. The first tile of some panels fetches those behind them, `next` bytes
/// further, while it computes.
AVX512_INLINE void tile(const int bytes, const int R, const int P, const uint8_t *w, size_t blocks, const ck_activations *a,
                        size_t first, size_t next, const ck_target *to, size_t row, size_t at) {
    const size_t stride = a->stride, x_blocks = stride / CK_BLOCK, panel_bytes = blocks * (size_t)bytes;
    const int8_t *x = a->quants + first * stride;
    const float *scales = a->scales + first * x_blocks;
    const int32_t *sums = a->sums + first * x_blocks;
    const size_t ahead = R == 1 ? AHEAD : next;   // a single row waits for memory: what it needs next counts
    __m512 total[SUMS][PANELS];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) total[r][0] = total[r][1] = _mm512_setzero_ps();
    for (size_t b = 0; b < blocks; b++, w += bytes, x += CK_BLOCK) {
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++)
#pragma clang loop unroll(full)
            for (int line = 0; line < bytes && ahead > 0; line += 64)
                _mm_prefetch((const char *)w + (size_t)p * panel_bytes + ahead + line, _MM_HINT_T1);
        __m512i sum[SUMS][PANELS];
        block_sums(bytes, R, P, w + 2 * CK_PANEL, panel_bytes, x, stride, sums + b, x_blocks, sum);
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) {
            const __m512 scale = _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(w + (size_t)p * panel_bytes)));
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(scales[(size_t)r * x_blocks + b]));
                total[r][p] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][p]), both, total[r][p]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) put(to, row + (size_t)r, at + (size_t)p * CK_PANEL, total[r][p]);
}

/// All rows by P panels. Rows are cut into tiles of nearly the same size: a small one leaves the multipliers waiting.
AVX512_INLINE void tiles(const int bytes, const int P, const uint8_t *w, size_t blocks, const ck_activations *x, size_t first,
                         size_t count, const ck_target *to, size_t at) {
    const size_t most = bytes == Q8_BYTES ? SUMS : SUMS / PANELS, number = (count + most - 1) / most;
    for (size_t t = 0; t < number; t++) {
        const size_t row = t * count / number, next = t == 0 ? (size_t)P * blocks * (size_t)bytes : 0;
#define CASE(R) case R: if (R <= most) tile(bytes, R, P, w, blocks, x, first + row, next, to, row, at); break
        switch ((t + 1) * count / number - row) {
        CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6);
        CASE(7); CASE(8); CASE(9); CASE(10); CASE(11); CASE(SUMS);
        }
#undef CASE
    }
}

/// A single row takes one panel after the other, as they lie in memory.
AVX512_INLINE void panels_of(const int bytes, const uint8_t *w, size_t panels, size_t columns, const ck_activations *x,
                             size_t first, size_t count, const ck_target *to) {
    const size_t blocks = columns / CK_BLOCK, panel_bytes = blocks * (size_t)bytes;
    size_t p = 0;
    for (; bytes == Q4_BYTES && count > 1 && p + PANELS <= panels; p += PANELS)
        tiles(bytes, PANELS, w + p * panel_bytes, blocks, x, first, count, to, p * CK_PANEL);
    for (; p < panels; p++) tiles(bytes, 1, w + p * panel_bytes, blocks, x, first, count, to, p * CK_PANEL);
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
