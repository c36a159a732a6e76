#include "quantize.h"

#include <string.h>

#include "float16.h"
#include "kernels.h"

enum { BLOCK = 32, Q4_0_BYTES = 18, Q8_0_BYTES = 34 };

static inline bool is_finite(float value) { return (ck_bits_from_float(value) & 0x7f800000u) != 0x7f800000u; }

static inline uint16_t float_to_half(float value) {
    const uint32_t bits = ck_bits_from_float(value);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (magnitude >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {
        // Below the smallest normal half: adding 0.5 leaves an ulp of 2^-24, so the FPU rounds to the half's grid.
        return (uint16_t)(sign | (ck_bits_from_float(ck_float_from_bits(magnitude) + 0.5f) - 0x3f000000u));
    }
    magnitude += 0xfffu + (magnitude >> 13 & 1u);
    return (uint16_t)(sign | (magnitude - 0x38000000u) >> 13);
}

float ck_half_to_float(uint16_t half) { return ck_from_f16(half); }
uint16_t ck_float_to_half(float value) { return float_to_half(value); }

static bool quantize_f16(const float *src, uint8_t *dst, size_t n) {
    bool overflow = false;
    for (size_t i = 0; i < n; i++) {
        const uint16_t half = float_to_half(src[i]);
        overflow |= (half & 0x7fffu) == 0x7c00u && is_finite(src[i]);
        memcpy(dst + 2 * i, &half, 2);
    }
    return !overflow;
}

static bool quantize_bf16(const float *src, uint8_t *dst, size_t n) {
    bool overflow = false;
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = ck_bits_from_float(src[i]);
        const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
        const uint32_t rounded = nan ? bits >> 16 | 64u : (bits + (0x7fffu + (bits >> 16 & 1u))) >> 16;
        const uint16_t out = (uint16_t)rounded;
        overflow |= (out & 0x7fffu) == 0x7f80u && is_finite(src[i]);
        memcpy(dst + 2 * i, &out, 2);
    }
    return !overflow;
}

// Stores the scale; false when it does not fit a half (infinity).
static bool store_scale(float scale, uint8_t *dst) {
    const uint16_t half = float_to_half(scale);
    memcpy(dst, &half, 2);
    return (half & 0x7c00u) != 0x7c00u;
}

// 1 / scale; 0 for a block whose scale is zero or too small to invert (its values are zero in any half).
static float inverse(float scale) {
    const float inverted = scale != 0.0f ? 1.0f / scale : 0.0f;
    return is_finite(inverted) ? inverted : 0.0f;
}

// src (32) -> dst (34 bytes). d = max |x| / 127; round half away from zero.
static bool quantize_block_q8_0(const float *src, uint8_t *dst) {
    uint32_t largest = 0;
    for (int i = 0; i < BLOCK; i++) {
        const uint32_t magnitude = ck_bits_from_float(src[i]) & 0x7fffffffu;
        largest = magnitude > largest ? magnitude : largest;
    }
    if (largest >= 0x7f800000u) return false;
    const float scale = ck_float_from_bits(largest) / 127.0f;
    const float inverted = inverse(scale);
    int8_t q[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        const float scaled = src[i] * inverted;
        const int whole = (int)scaled;
        const float rest = scaled - (float)whole;  // exact, unlike scaled + 0.5
        q[i] = (int8_t)(whole + (rest >= 0.5f) - (rest <= -0.5f));
    }
    memcpy(dst + 2, q, BLOCK);
    return store_scale(scale, dst);
}

// src (32) -> dst (18 bytes). d = the value of largest magnitude (the first of equals) / -8, so that it becomes nibble 0.
static bool quantize_block_q4_0(const float *src, uint8_t *dst) {
    uint32_t largest = 0;
    float extreme = 0.0f;
    for (int i = 0; i < BLOCK; i++) {
        const uint32_t magnitude = ck_bits_from_float(src[i]) & 0x7fffffffu;
        if (magnitude > largest) {
            largest = magnitude;
            extreme = src[i];
        }
    }
    if (largest >= 0x7f800000u) return false;
    const float scale = extreme / -8.0f;
    const float inverted = inverse(scale);
    for (int i = 0; i < BLOCK / 2; i++) {
        const int low = (int)(src[i] * inverted + 8.5f);
        const int high = (int)(src[i + BLOCK / 2] * inverted + 8.5f);
        dst[2 + i] = (uint8_t)((low > 15 ? 15 : low) | (high > 15 ? 15 : high) << 4);
    }
    return store_scale(scale, dst);
}

bool ck_quantize_row(uint32_t ggml_type, const float *src, void *dst, size_t n) {
    uint8_t *out = dst;
    switch (ggml_type) {
        case CK_F32: memcpy(out, src, n * sizeof *src); return true;
        case CK_F16: return quantize_f16(src, out, n);
        case CK_BF16: return quantize_bf16(src, out, n);
        case CK_Q8_0:
            if (n % BLOCK != 0) return false;
            for (size_t i = 0; i < n; i += BLOCK, out += Q8_0_BYTES) {
                if (!quantize_block_q8_0(src + i, out)) return false;
            }
            return true;
        case CK_Q4_0:
            if (n % BLOCK != 0) return false;
            for (size_t i = 0; i < n; i += BLOCK, out += Q4_0_BYTES) {
                if (!quantize_block_q4_0(src + i, out)) return false;
            }
            return true;
        default: return false;
    }
}
