// The block formats of GGUF files, one by one; ck_dequantize_row goes over rows.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { CK_FORMAT_VALUES = 256, CK_FORMAT_BYTES = 210 };

typedef struct ck_format {
    size_t values, bytes;                                 // of one block, at most those above
    void (*decode)(const uint8_t *block, float *values);
} ck_format;

/// NULL for types without blocks and unknown ones.
const ck_format *ck_format_of(uint32_t ggml_type);
