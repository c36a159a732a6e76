// F16 and BF16 in portable C, round to nearest even.
#pragma once
#include <stdint.h>
#include <string.h>

static inline float ck_float_from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ck_bits_from_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ck_from_bf16(uint16_t half) { return ck_float_from_bits((uint32_t)half << 16); }

static inline float ck_from_f16(uint16_t half) {
    const uint32_t sign = (uint32_t)(half & 0x8000) << 16, magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) return ck_float_from_bits(sign | 0x7f800000 | (magnitude & 0x3ff) << 13);
    // Shifted into place, the value is 2^112 times too small; the product is exact, subnormals included.
    const float value = ck_float_from_bits(magnitude << 13) * ck_float_from_bits(0x77800000);
    return ck_float_from_bits(sign | ck_bits_from_float(value));
}

/// Clamped to the largest finite F16; NaN of either sign becomes it too.
static inline uint16_t ck_to_f16_clamped(float value) {
    value = value < 65504 ? value : 65504;
    value = value > -65504 ? value : -65504;
    const uint32_t bits = ck_bits_from_float(value);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude < 0x38800000) {                                  // below 2^-14: subnormal, unit 2^-24
        // Adding 0.5 leaves the rounded multiple of 2^-24 in the low bits.
        return sign | (uint16_t)(ck_bits_from_float(ck_float_from_bits(magnitude) + 0.5f) - 0x3f000000);
    }
    const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}
