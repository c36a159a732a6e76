// Rows of a GGUF or safetensors matrix to and from the packed layout of kernels.h.
#pragma once
#include "kernels.h"
#include "pool.h"

/// Bytes of a packed matrix (a multiple of 32); 0 for an unknown type or columns the type cannot hold.
size_t ck_packed_bytes(uint32_t type, size_t rows, size_t columns);

/// Packs row-major `source` (rows by columns in `type`, any alignment) into `data` of ck_packed_bytes.
ck_matrix ck_pack(ck_pool *pool, uint32_t type, size_t rows, size_t columns, const void *source, uint8_t *data);

/// One row of a packed matrix as F32, exact.
void ck_unpack_row(const ck_matrix *matrix, size_t row, float *values);
