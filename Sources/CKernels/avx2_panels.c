// AVX2 panel kernels: tiles of several rows by 16 outputs, one vector lane an output.
#include "avx2.h"

#if defined(__x86_64__)
#include <string.h>

typedef enum { F32, F16, BF16 } float_type;
enum { FLOAT_ROWS = 6 };

/// Hands over one row's results of a panel, `at` outputs from the first.
AVX2_INLINE void put(const ck_target *to, size_t row, size_t at, const __m256 values[2]) {
    float *out = to->out + row * to->stride + at;
#pragma clang loop unroll(full)
    for (int i = 0; i < 2; i++) {
        __m256 value = values[i];
        if (to->bias) value = _mm256_add_ps(value, _mm256_loadu_ps(to->bias + at + 8 * i));
        if (to->accumulate) value = _mm256_add_ps(_mm256_loadu_ps(out + 8 * i), value);
        _mm256_storeu_ps(out + 8 * i, value);
    }
}

AVX2_INLINE __m256 load_weights(const float_type type, const uint8_t *w) {
    if (type == F32) return _mm256_loadu_ps((const float *)w);
    const __m128i half = _mm_loadu_si128((const __m128i *)w);
    if (type == F16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/// R rows by P panels of floats; R·P <= FLOAT_ROWS keeps the sums in registers.
AVX2_INLINE void float_tile(const float_type type, const int R, const int P, const uint8_t *w, size_t columns,
                            const float *x, size_t x_stride, size_t ahead, const ck_target *to, size_t row,
                            size_t at) {
    const size_t bytes = type == F32 ? 4 : 2, panel_bytes = columns * CK_PANEL * bytes;
    __m256 sum[FLOAT_ROWS][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < R * P; i++) sum[i][0] = sum[i][1] = _mm256_setzero_ps();
    for (size_t k = 0; k < columns; k++) {
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) {
            const uint8_t *lanes = w + (size_t)p * panel_bytes + k * CK_PANEL * bytes;
            if (ahead > 0) _mm_prefetch((const char *)lanes + ahead, _MM_HINT_T1);
            const __m256 low = load_weights(type, lanes), high = load_weights(type, lanes + 8 * bytes);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m256 v = _mm256_broadcast_ss(x + (size_t)r * x_stride + k);
                sum[r * P + p][0] = _mm256_fmadd_ps(v, low, sum[r * P + p][0]);
                sum[r * P + p][1] = _mm256_fmadd_ps(v, high, sum[r * P + p][1]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
#pragma clang loop unroll(full)
        for (int p = 0; p < P; p++) put(to, row + (size_t)r, at + (size_t)p * CK_PANEL, sum[r * P + p]);
}

/// Rows are cut into tiles of nearly the same size: a small one leaves the multipliers waiting.
AVX2_INLINE void float_panels(const float_type type, const uint8_t *w, size_t panels, size_t columns,
                              const ck_activations *a, size_t first, size_t count, const ck_target *to) {
    const size_t panel_bytes = columns * CK_PANEL * (type == F32 ? 4 : 2), stride = a->stride;
    const size_t tiles = (count + FLOAT_ROWS - 1) / FLOAT_ROWS;
    size_t p = 0;
    // A single row has too few sums to hide the latency of FMA: two panels at a time.
    for (; count == 1 && p + 2 <= panels; p += 2)
        float_tile(type, 1, 2, w + p * panel_bytes, columns, a->values + first * stride, stride, 0, to, 0, p * CK_PANEL);
    for (; p < panels; p++)
        for (size_t t = 0; t < tiles; t++) {
            const size_t row = t * count / tiles, ahead = t == 0 && count > 1 ? panel_bytes : 0;
            const float *x = a->values + (first + row) * stride;
#define CASE(R) case R: float_tile(type, R, 1, w + p * panel_bytes, columns, x, stride, ahead, to, row, p * CK_PANEL); break
            switch ((t + 1) * count / tiles - row) {
            CASE(1); CASE(2); CASE(3); CASE(4); CASE(5); CASE(FLOAT_ROWS);
            }
#undef CASE
        }
}

AVX2 void ck_avx2_panels_f32(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                             size_t count, const ck_target *to) {
    float_panels(F32, w, panels, columns, x, first, count, to);
}

AVX2 void ck_avx2_panels_f16(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                             size_t count, const ck_target *to) {
    float_panels(F16, w, panels, columns, x, first, count, to);
}

AVX2 void ck_avx2_panels_bf16(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                              size_t count, const ck_target *to) {
    float_panels(BF16, w, panels, columns, x, first, count, to);
}

enum { Q8_BYTES = 34 * CK_PANEL, Q4_BYTES = 18 * CK_PANEL, TILE = 4 };

/// Four int8 inputs, the same for all eight outputs of a vector.
AVX2_INLINE __m256i four_inputs(const int8_t *quants) {
    int32_t four;
    memcpy(&four, quants, sizeof four);
    return _mm256_set1_epi32(four);
}

/// Integer sums of one Q8_0 block. maddubs takes |w| (at most 128) and the input with w's sign (at most 127):
/// a pair is at most 32,512, so nothing saturates.
AVX2_INLINE void q8_block(const int R, const uint8_t *units, const int8_t *x, size_t stride, __m256i sum[][2]) {
    const __m256i ones = _mm256_set1_epi16(1);
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) sum[r][0] = sum[r][1] = _mm256_setzero_si256();
    // Rolled: unrolled, the compiler runs out of registers and takes half as long again.
#pragma clang loop unroll(disable)
    for (int g = 0; g < 8; g++) {
#pragma clang loop unroll(full)
        for (int half = 0; half < 2; half++) {
            const __m256i w = _mm256_load_si256((const __m256i *)(units + 64 * g + 32 * half));
            const __m256i magnitude = _mm256_abs_epi8(w);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m256i v = _mm256_sign_epi8(four_inputs(x + (size_t)r * stride + 4 * g), w);
                const __m256i pairs = _mm256_maddubs_epi16(magnitude, v);
                sum[r][half] = _mm256_add_epi32(sum[r][half], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
}

/// Integer sums of one Q4_0 block. Nibbles are unsigned: a pair is at most 2·15·127 and eight of them 30,480, so the
/// whole block adds up in 16 bits; sums begin with what the offset of 8 adds too much, half of it in each of two lanes.
AVX2_INLINE void q4_block(const int R, const uint8_t *units, const int8_t *x, size_t stride, const int32_t *sums,
                          size_t sums_stride, __m256i sum[][2]) {
    const __m256i ones = _mm256_set1_epi16(1), nibble = _mm256_set1_epi8(15);
    __m256i pairs[TILE][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++)
        pairs[r][0] = pairs[r][1] = _mm256_set1_epi16((short)(-4 * sums[(size_t)r * sums_stride]));
    // Rolled: unrolled, the compiler runs out of registers and takes half as long again.
#pragma clang loop unroll(disable)
    for (int g = 0; g < 4; g++) {
        const __m256i *lanes = (const __m256i *)(units + 64 * g);
        const __m256i w0 = _mm256_load_si256(lanes), w1 = _mm256_load_si256(lanes + 1);
#pragma clang loop unroll(full)
        for (int high = 0; high < 2; high++) {
            const __m256i n0 = _mm256_and_si256(high ? _mm256_srli_epi16(w0, 4) : w0, nibble);
            const __m256i n1 = _mm256_and_si256(high ? _mm256_srli_epi16(w1, 4) : w1, nibble);
#pragma clang loop unroll(full)
            for (int r = 0; r < R; r++) {
                const __m256i v = four_inputs(x + (size_t)r * stride + 4 * g + 16 * high);
                pairs[r][0] = _mm256_add_epi16(pairs[r][0], _mm256_maddubs_epi16(n0, v));
                pairs[r][1] = _mm256_add_epi16(pairs[r][1], _mm256_maddubs_epi16(n1, v));
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) {
        sum[r][0] = _mm256_madd_epi16(pairs[r][0], ones);
        sum[r][1] = _mm256_madd_epi16(pairs[r][1], ones);
    }
}

AVX2_INLINE void quantised_tile(const int bytes, const int R, const uint8_t *w, size_t blocks, const int8_t *x,
                                const float *scales, const int32_t *sums, size_t ahead, const ck_target *to,
                                size_t row, size_t at) {
    const size_t stride = blocks * CK_BLOCK;
    __m256 total[TILE][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) total[r][0] = total[r][1] = _mm256_setzero_ps();
    for (size_t b = 0; b < blocks; b++, w += bytes, x += CK_BLOCK) {
#pragma clang loop unroll(full)
        for (int line = 0; line < bytes && ahead > 0; line += 64)
            _mm_prefetch((const char *)w + ahead + line, _MM_HINT_T1);
        __m256i sum[TILE][2];
        if (bytes == Q8_BYTES) q8_block(R, w + 2 * CK_PANEL, x, stride, sum);
        else q4_block(R, w + 2 * CK_PANEL, x, stride, sums + b, blocks, sum);
        const __m256 low = load_f16((const uint16_t *)w), high = load_f16((const uint16_t *)w + 8);
#pragma clang loop unroll(full)
        for (int r = 0; r < R; r++) {
            const __m256 scale = _mm256_broadcast_ss(scales + (size_t)r * blocks + b);
            total[r][0] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][0]), _mm256_mul_ps(low, scale), total[r][0]);
            total[r][1] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][1]), _mm256_mul_ps(high, scale), total[r][1]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < R; r++) put(to, row + (size_t)r, at, total[r]);
}

AVX2_INLINE void quantised_panels(const int bytes, const uint8_t *w, size_t panels, size_t columns,
                                  const ck_activations *a, size_t first, size_t count, const ck_target *to) {
    const size_t blocks = columns / CK_BLOCK;   // columns == stride for quantised weights
    for (size_t p = 0; p < panels; p++, w += blocks * (size_t)bytes)
        for (size_t row = 0; row < count; row += TILE) {
            const int8_t *x = a->quants + (first + row) * columns;
            const float *scales = a->scales + (first + row) * blocks;
            const int32_t *sums = a->sums + (first + row) * blocks;
            const size_t ahead = row == 0 && count > 1 ? blocks * (size_t)bytes : 0;
#define CASE(R) case R: quantised_tile(bytes, R, w, blocks, x, scales, sums, ahead, to, row, p * CK_PANEL); break
            switch (count - row < TILE ? count - row : TILE) {
            CASE(1); CASE(2); CASE(3); CASE(TILE);
            }
#undef CASE
        }
}

AVX2 void ck_avx2_panels_q8_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                              size_t count, const ck_target *to) {
    quantised_panels(Q8_BYTES, w, panels, columns, x, first, count, to);
}

AVX2 void ck_avx2_panels_q4_0(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                              size_t count, const ck_target *to) {
    quantised_panels(Q4_BYTES, w, panels, columns, x, first, count, to);
}
#endif
