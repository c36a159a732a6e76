// Compute kernels of the forward pass: layouts, then functions. One file per ISA, chosen once at start.
//
// Weights. A matrix of `rows` outputs by `columns` inputs is stored as panels of 16 outputs; the last panel is
// filled up with zeros. Lane j of every vector belongs to output 16·panel + j, so an output's sum runs over the
// inputs in ascending order, whatever the number of rows, threads or chunks. One panel, by ggml type:
//   F32, F16, BF16   [columns][16] values
//   Q8_0             [columns/32] blocks of 544 bytes: 16 F16 scales, then [8][16][4] int8:
//                    group g holds the inputs 4g..4g+3 of each output
//   Q4_0             [columns/32] blocks of 288 bytes: 16 F16 scales, then [4][16][4] bytes:
//                    low nibbles are the inputs 4g..4g+3, high nibbles the inputs 16+4g..16+4g+3; value = nibble - 8
//
// Activations. Rows of F32, each `stride` values long (a multiple of 32, zero beyond the columns). For Q8_0 and Q4_0
// weights also int8 per row and block of 32: scale = amax/127, quant = round to nearest even, in -127...127, so that
// the integer dot product of a block is exact in every instruction set.
//
// KV cache. A block holds 32 tokens of one layer, as F32, F16 or int8: per KV head K as [headDim][32], then V as
// [32][headStride], where headStride is headDim rounded up to 16. Behind int8 values come F32 scales, K's [32], then V's [32]:
// of each token's head one, amax/127, with quants as those of activations. All values are finite: what F16 cannot hold is
// clamped, so that a weight of zero makes zero of whatever lies behind the last token.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CK_PANEL = 16, CK_BLOCK = 32, CK_MAX_HEAD = 256, CK_MAX_QUERIES = 8 };
enum { CK_F32 = 0, CK_F16 = 1, CK_Q4_0 = 2, CK_Q8_0 = 8, CK_BF16 = 30 };
/// A type of the KV cache only, which has CK_F32 and CK_F16 too.
enum { CK_I8 = 24 };

/// A weight of attention below this is zero before V's scale multiplies it: beside the largest, which is 1, it adds nothing, and
/// the product might be denormal, which makes multiply-adds ten times as slow.
#define CK_LEAST_WEIGHT 1e-30f
/// Types of files only: packed as another one, see ck_packed_type.
enum {
    CK_Q4_1 = 3, CK_Q5_0 = 6, CK_Q5_1 = 7, CK_Q2_K = 10, CK_Q3_K = 11, CK_Q4_K = 12, CK_Q5_K = 13, CK_Q6_K = 14,
    CK_IQ4_NL = 20, CK_IQ4_XS = 23
};

/// A packed matrix; `data` holds ceil(rows/16) panels, 32-byte aligned.
typedef struct ck_matrix {
    uint32_t type;
    size_t rows, columns;
    const uint8_t *data;
} ck_matrix;

/// Rows of inputs to a matrix. The quantised part is valid only after a norm or quantise that was asked for it.
typedef struct ck_activations {
    float *values;    // (rows, stride)
    int8_t *quants;   // (rows, stride)
    float *scales;    // (rows, stride/32)
    int32_t *sums;    // (rows, stride/32): sum of a block's quants
    size_t stride;
} ck_activations;

/// Up to CK_MAX_QUERIES queries of one sequence that read the same KV head.
typedef struct ck_queries {
    size_t count;
    const float *q[CK_MAX_QUERIES];       // (headDim), rotated and scaled by 1/sqrt(headDim)
    float *out[CK_MAX_QUERIES];           // (headDim)
    int32_t position[CK_MAX_QUERIES];     // sees the tokens 0...position
    const void *cache;                    // the layer's blocks, at this KV head
    uint32_t type;                        // of the cache: CK_F32, CK_F16 or CK_I8
    size_t block_stride;                  // bytes from one block to the next
    const int32_t *blocks;                // block table of the sequence
    size_t head_dim, head_stride;
    const void *next;                     // the block that the next call begins with; NULL if unknown
} ck_queries;

/// Bytes of a value in a cache of this type.
static inline size_t ck_value_bytes(uint32_t type) { return type == CK_F32 ? 4 : type == CK_F16 ? 2 : 1; }

/// The scales behind the values of one KV head's block, K's, then V's; NULL for a type without.
static inline const float *ck_scales(uint32_t type, const void *block, size_t head_dim, size_t head_stride) {
    return type == CK_I8 ? (const float *)((const uint8_t *)block + CK_BLOCK * (head_dim + head_stride)) : NULL;
}

/// Bytes that one block of one KV head takes in the cache.
static inline size_t ck_head_block(uint32_t type, size_t head_dim, size_t head_stride) {
    const size_t scales = type == CK_I8 ? 2 * CK_BLOCK * sizeof(float) : 0;
    return CK_BLOCK * (head_dim + head_stride) * ck_value_bytes(type) + scales;
}

/// Where the products of some rows go.
typedef struct ck_target {
    float *out;          // (rows, stride)
    size_t stride;
    const float *bias;   // added to every row; NULL for none
    bool accumulate;     // adds to what `out` holds
} ck_target;

/// out[r·stride + 16·p + j] for `panels` panels from `w` and the rows first..<first+count of x.
typedef void ck_panels_fn(const uint8_t *w, size_t panels, size_t columns, const ck_activations *x, size_t first,
                          size_t count, const ck_target *to);

/// The kernels of one instruction set. Sets with fused multiply-add give the same bits: those of generic.c built for such
/// a processor. Without it, sums of floats round another way. Arguments are finite, but for those of to_f16 and exp.
typedef struct ck_kernels {
    const char *name;
    ck_panels_fn *panels_f32, *panels_f16, *panels_bf16, *panels_q8_0, *panels_q4_0;
    /// y = weight · x / sqrt(mean(x²) + eps) over n values; x, weight and y are zero from n to `stride`.
    void (*rms_norm)(const float *x, const float *weight, size_t n, size_t stride, float eps, float *y);
    /// One row of `stride` values to int8 with scale and sum per block of 32.
    void (*quantize)(const float *x, size_t stride, int8_t *quants, float *scales, int32_t *sums);
    /// gate = silu(gate) · up; n is a multiple of 8.
    void (*swiglu)(float *gate, const float *up, size_t n);
    /// Rounds to nearest even, clamped to ±65504, which NaN becomes too; n is a multiple of 8.
    void (*to_f16)(const float *x, uint16_t *y, size_t n);
    /// Softmax attention over the blocks of the cache, 32 tokens at a time at absolute positions.
    void (*attention)(const ck_queries *queries);
    /// e^x, for tests; x clamped to -87.3...88.3, NaN to -87.3; n is a multiple of 8.
    void (*exp)(const float *x, float *y, size_t n);
    /// Runs the instructions of products with a type's weights on registers; returns the operations of one round (a
    /// multiply-add counts as two). NULL where nobody has written it.
    uint64_t (*peak)(uint32_t type, size_t rounds);
    /// The most queries of one call of attention.
    size_t queries;
} ck_kernels;

/// Portable C; always there.
const ck_kernels *ck_kernels_generic(void);
/// AVX2, FMA and F16C; NULL where the processor lacks them.
const ck_kernels *ck_kernels_avx2(void);
/// AVX-512 with VNNI beside what AVX2's set needs; NULL where the processor lacks them.
const ck_kernels *ck_kernels_avx512(void);
/// NEON as every 64-bit ARM has it (Armv8.0); NULL on any other processor.
const ck_kernels *ck_kernels_neon(void);

/// The panel kernel for a ggml type, NULL for a type without one.
ck_panels_fn *ck_panels_for(const ck_kernels *kernels, uint32_t type);
