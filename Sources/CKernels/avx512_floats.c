// AVX-512 panel kernels of F32, F16 and BF16: tiles of several rows by two panels, one vector a panel.
#include "avx512.h"

#if defined(__x86_64__)

typedef enum { F32, F16, BF16 } float_type;
enum { ROWS = 12, PANELS = 2 };   // 24 sums, their weights and what is converted fill 32 registers

AVX512_INLINE __m512 load_weights(const float_type type, const uint8_t *w) {
    if (type == F32) return _mm512_loadu_ps(w);
    const __m256i half = _mm256_loadu_si256((const __m256i *)w);
    if (type == F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/// R rows by two panels.
AVX512_INLINE void tile(const float_type type, const int R, const uint8_t *w, size_t columns, const float *x, size_t x_stride,
                        size_t ahead, const ck_target *to, size_t row, size_t at) {
    const size_t step = CK_PANEL * (type == F32 ? 4 : 2), panel_bytes = columns * step;
    __m512 sum[ROWS][PANELS];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm512_setzero_ps();
    for (size_t k = 0; k < columns; k++, w += step) {
        if (ahead > 0) {
            _mm_prefetch((const char *)w + ahead, _MM_HINT_T1);
            _mm_prefetch((const char *)w + ahead + panel_bytes, _MM_HINT_T1);
        }
        const __m512 first = load_weights(type, w), second = load_weights(type, w + panel_bytes);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m512 v = _mm512_set1_ps(x[(size_t)r * x_stride + k]);
            sum[r][0] = _mm512_fmadd_ps(v, first, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(v, second, sum[r][1]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int p = 0; p < PANELS; p++) put(to, row + (size_t)r, at + (size_t)p * CK_PANEL, sum[r][p]);
}

/// Rows are cut into tiles of nearly the same size: a small one leaves the multipliers waiting. Returns the panels done.
AVX512_INLINE size_t pairs_of(const float_type type, const uint8_t *w, size_t panels, size_t columns, const ck_activations *a,
                              size_t first, size_t count, const ck_target *to) {
    const size_t panel_bytes = columns * CK_PANEL * (type == F32 ? 4 : 2), stride = a->stride;
    const size_t tiles = (count + ROWS - 1) / ROWS;
    size_t p = 0;
    for (; p + PANELS <= panels; p += PANELS, w += PANELS * panel_bytes)
        for (size_t t = 0; t < tiles; t++) {
            const size_t row = t * count / tiles, ahead = t == 0 && count > 1 ? PANELS * panel_bytes : 0;
            const float *x = a->values + (first + row) * stride;
#define CASE(R) case R: tile(type, R, w, columns, x, stride, ahead, to, row, p * CK_PANEL); break
            switch ((t + 1) * count / tiles - row) {
            CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(6);
            CASE(7); CASE(8); CASE(9); CASE(10); CASE(11); CASE(ROWS);
            }
#undef CASE
        }
    return p;
}

/// What is left of an odd number of panels goes to AVX2's kernel, which gives the same bits.
#define PANELS_OF(TYPE, NAME)                                                                                              \
    AVX512 void ck_avx512_panels_##NAME(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x,          \
                                        size_t first, size_t count, const ck_target *to) {                                 \
        const size_t done = pairs_of(TYPE, w, panels, columns, x, first, count, to), at = done * CK_PANEL;                 \
        if (done == panels) return;                                                                                        \
        const ck_target rest = {to->out + at, to->stride, to->bias ? to->bias + at : NULL, to->accumulate};                \
        ck_avx2_panels_##NAME(w + at * columns * (TYPE == F32 ? 4 : 2), 1, columns, x, first, count, &rest);               \
    }
PANELS_OF(F32, f32)
PANELS_OF(F16, f16)
PANELS_OF(BF16, bf16)
#endif
