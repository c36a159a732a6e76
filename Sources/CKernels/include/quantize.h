// Rows of weights to and from GGUF's block formats. Portable C; used by conversion, tests and loading.
//
// Types are ggml's numbers, named in kernels.h. Encoded rows are little-endian and need no alignment. Encoding is for:
//   Q8_0  32 values in 34 bytes: half d, int8 q[32];            value = q * d
//   Q4_0  32 values in 18 bytes: half d, uint8 qs[16];          value = (nibble - 8) * d,
//         low nibbles of qs are values 0..15, high nibbles 16..31
// Decoding goes for the types of files too; dequantize.c has their formats. Rounding is that of ggml's reference functions,
// bit for bit.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Encodes n floats. False when the type is another, n is no multiple of the type's block, or a value cannot be
// expressed: NaN or infinity in a block format, or a finite value (or scale) beyond the range of F16 or BF16.
bool ck_quantize_row(uint32_t ggml_type, const float *src, void *dst, size_t n);

// Decodes n values. False when the type is unknown or n is no multiple of the type's block.
bool ck_dequantize_row(uint32_t ggml_type, const void *src, float *dst, size_t n);

// IEEE half to float, exact, and float to half, round to nearest even.
float ck_half_to_float(uint16_t half);
uint16_t ck_float_to_half(float value);
