// Rows of a GGUF or safetensors matrix to and from the packed layout of kernels.h.
#pragma once
#include "kernels.h"
#include "pool.h"

/// The type whose kernels compute with a matrix of `type`: itself where it has kernels. The integers and scales of Q5_0 and
/// IQ4_NL are stored as Q8_0, exactly; values of all other types as F16, rounded to nearest even (by at most 1 in 2048;
/// below 6e-5, by at most 3e-8).
uint32_t ck_packed_type(uint32_t type);

/// Bytes of a packed matrix (a multiple of 32); 0 for an unknown type or columns the type cannot hold.
size_t ck_packed_bytes(uint32_t type, size_t rows, size_t columns);

/// Packs row-major `source` (rows by columns in `type`, any alignment) into `data` of ck_packed_bytes. The result's type is
/// ck_packed_type(type); its data is NULL when a value is too large to be stored so.
ck_matrix ck_pack(ck_pool *pool, uint32_t type, size_t rows, size_t columns, const void *source, uint8_t *data);

/// Copies one row in `type`, one that is packed as it is, into lane `lane` of a panel.
void ck_pack_lane(uint32_t type, size_t columns, const uint8_t *source, size_t lane, uint8_t *panel);

/// One row of a packed matrix as F32, exactly as it is packed.
void ck_unpack_row(const ck_matrix *matrix, size_t row, float *values);
