// From GGUF's block formats to floats. Products and sums are in ggml's order, so that the bits are its own. Portable: it runs
// while a model is loaded or converted, and nowhere else.
#include <stdbool.h>
#include <string.h>

#include "float16.h"
#include "formats.h"
#include "kernels.h"
#include "quantize.h"

static inline float half_at(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, 2);
    return ck_from_f16(half);
}

// Blocks of 32: a scale, maybe a minimum, maybe the values' fifth bits, then nibbles: the low ones are values 0...15.

static void decode_q8_0(const uint8_t *block, float *values) {
    const float scale = half_at(block);
    for (int i = 0; i < 32; i++) values[i] = (float)(int8_t)block[2 + i] * scale;
}

static void decode_q4_0(const uint8_t *block, float *values) {
    const float scale = half_at(block);
    for (int i = 0; i < 16; i++) {
        values[i] = (float)((block[2 + i] & 15) - 8) * scale;
        values[i + 16] = (float)((block[2 + i] >> 4) - 8) * scale;
    }
}

static void decode_q4_1(const uint8_t *block, float *values) {
    const float scale = half_at(block), minimum = half_at(block + 2);
    for (int i = 0; i < 16; i++) {
        values[i] = (float)(block[4 + i] & 15) * scale + minimum;
        values[i + 16] = (float)(block[4 + i] >> 4) * scale + minimum;
    }
}

/// 32 values of five bits: `high` has the fifth ones.
static void five_bits(const uint8_t *high, const uint8_t *nibbles, int values[32]) {
    uint32_t bits;
    memcpy(&bits, high, 4);
    for (int i = 0; i < 16; i++) {
        values[i] = (nibbles[i] & 15) | (int)(bits >> i & 1) << 4;
        values[i + 16] = nibbles[i] >> 4 | (int)(bits >> (i + 16) & 1) << 4;
    }
}

static void decode_q5_0(const uint8_t *block, float *values) {
    const float scale = half_at(block);
    int q[32];
    five_bits(block + 2, block + 6, q);
    for (int i = 0; i < 32; i++) values[i] = (float)(q[i] - 16) * scale;
}

static void decode_q5_1(const uint8_t *block, float *values) {
    const float scale = half_at(block), minimum = half_at(block + 2);
    int q[32];
    five_bits(block + 4, block + 8, q);
    for (int i = 0; i < 32; i++) values[i] = (float)q[i] * scale + minimum;
}

// What a nibble stands for in the IQ4 formats.
static const int8_t unequal_steps[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

static void decode_steps(const uint8_t *nibbles, float scale, float *values) {
    for (int i = 0; i < 16; i++) {
        values[i] = scale * unequal_steps[nibbles[i] & 15];
        values[i + 16] = scale * unequal_steps[nibbles[i] >> 4];
    }
}

static void decode_iq4_nl(const uint8_t *block, float *values) { decode_steps(block + 2, half_at(block), values); }

// Blocks of 256: a scale for all, and a smaller one, maybe with a minimum, for each run of 16 or 32 values.

static void decode_iq4_xs(const uint8_t *block, float *values) {
    const float scale = half_at(block);
    for (int run = 0; run < 8; run++) {
        const int low = block[4 + run / 2] >> 4 * (run % 2) & 15, high = block[2 + run / 4] >> 2 * (run % 4) & 3;
        decode_steps(block + 8 + 16 * run, scale * (float)((low | high << 4) - 32), values + 32 * run);
    }
}

static void decode_q2_k(const uint8_t *block, float *values) {
    const float scale = half_at(block + 80), minimum = half_at(block + 82);
    for (int i = 0; i < 256; i++) {
        const uint8_t run = block[i / 16];
        const int q = block[16 + i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3;
        values[i] = scale * (float)(run & 15) * (float)q - minimum * (float)(run >> 4);
    }
}

static void decode_q3_k(const uint8_t *block, float *values) {
    const uint8_t *high = block, *low = block + 32, *runs = block + 96;
    const float scale = half_at(block + 108);
    for (int i = 0; i < 256; i++) {
        const int run = i / 16, top = runs[8 + run % 4] >> run / 4 * 2 & 3;
        const int factor = ((runs[run % 8] >> run / 8 * 4 & 15) | top << 4) - 32;
        const int q = (low[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3) - (high[i % 32] >> i / 32 & 1 ? 0 : 4);
        values[i] = scale * (float)factor * (float)q;
    }
}

/// Scale and minimum of a run of 32 in Q4_K and Q5_K: six bits each, eight of both in twelve bytes.
static void run_of(const uint8_t *packed, int run, int *scale, int *minimum) {
    if (run < 4) {
        *scale = packed[run] & 63;
        *minimum = packed[run + 4] & 63;
    } else {
        *scale = (packed[run + 4] & 15) | packed[run - 4] >> 6 << 4;
        *minimum = packed[run + 4] >> 4 | packed[run] >> 6 << 4;
    }
}

/// Q4_K, and Q5_K where the values have fifth bits.
static void decode_runs(const uint8_t *block, const uint8_t *fifth, const uint8_t *nibbles, float *values) {
    const float scale = half_at(block), minimum = half_at(block + 2);
    for (int run = 0; run < 8; run++) {
        int factor, least;
        run_of(block + 4, run, &factor, &least);
        const float step = scale * (float)factor, start = minimum * (float)least;
        for (int i = 0; i < 32; i++) {
            const int q = (nibbles[run / 2 * 32 + i] >> run % 2 * 4 & 15) | (fifth ? (fifth[i] >> run & 1) << 4 : 0);
            values[run * 32 + i] = step * (float)q - start;
        }
    }
}

static void decode_q4_k(const uint8_t *block, float *values) { decode_runs(block, NULL, block + 16, values); }

static void decode_q5_k(const uint8_t *block, float *values) { decode_runs(block, block + 16, block + 48, values); }

static void decode_q6_k(const uint8_t *block, float *values) {
    const uint8_t *low = block, *high = block + 128, *runs = block + 192;
    const float scale = half_at(block + 208);
    for (int i = 0; i < 256; i++) {
        const int half = i / 128, quarter = i % 128 / 32, at = i % 32;   // of 128 and of 32 values
        const int nibble = low[half * 64 + quarter % 2 * 32 + at] >> quarter / 2 * 4 & 15;
        const int q = (nibble | (high[half * 32 + at] >> quarter * 2 & 3) << 4) - 32;
        values[i] = scale * (float)(int8_t)runs[i / 16] * (float)q;
    }
}

const ck_format *ck_format_of(uint32_t type) {
    static const ck_format formats[] = {
        [CK_Q4_0] = {32, 18, decode_q4_0},     [CK_Q4_1] = {32, 20, decode_q4_1},
        [CK_Q5_0] = {32, 22, decode_q5_0},     [CK_Q5_1] = {32, 24, decode_q5_1},
        [CK_Q8_0] = {32, 34, decode_q8_0},     [CK_Q2_K] = {256, 84, decode_q2_k},
        [CK_Q3_K] = {256, 110, decode_q3_k},   [CK_Q4_K] = {256, 144, decode_q4_k},
        [CK_Q5_K] = {256, 176, decode_q5_k},   [CK_Q6_K] = {256, 210, decode_q6_k},
        [CK_IQ4_NL] = {32, 18, decode_iq4_nl}, [CK_IQ4_XS] = {256, 136, decode_iq4_xs},
    };
    return type < sizeof formats / sizeof *formats && formats[type].decode ? formats + type : NULL;
}

bool ck_dequantize_row(uint32_t type, const void *src, float *dst, size_t n) {
    const uint8_t *in = src;
    switch (type) {
    case CK_F32: memcpy(dst, in, n * sizeof *dst); return true;
    case CK_F16:
        for (size_t i = 0; i < n; i++) dst[i] = half_at(in + 2 * i);
        return true;
    case CK_BF16:
        for (size_t i = 0; i < n; i++) {
            uint16_t half;
            memcpy(&half, in + 2 * i, 2);
            dst[i] = ck_from_bf16(half);
        }
        return true;
    }
    const ck_format *format = ck_format_of(type);
    if (!format || n % format->values != 0) return false;
    for (size_t i = 0; i < n; i += format->values, in += format->bytes) format->decode(in, dst + i);
    return true;
}
