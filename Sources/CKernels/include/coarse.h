// A coarse copy of a matrix, which tells which of its products may be the largest.
#pragma once
#include "pack.h"

/// A matrix in Q4_0, and how far its products may be from the exact ones.
///
/// For a row w of the matrix, its coarse row q, an input x and its quantised form x', Cauchy and Schwarz give
/// |w·x - q·x'| <= |w - q|·|x'| + |w|·|x - x'|; what the kernels' sums are rounded by comes on top.
typedef struct ck_coarse {
    ck_matrix matrix;
    const float *residuals;   // (rows): |w - q|, rounded up; infinite for a row that Q4_0 cannot hold
    const float *norms;       // (rows): |w|, rounded up
} ck_coarse;

/// Whether a matrix of that packed type can have a copy that is smaller than itself.
bool ck_can_coarsen(uint32_t type, size_t columns);

/// Makes the copy of a packed matrix in `data` (ck_packed_bytes of Q4_0), `residuals` and `norms` (a value a row).
ck_coarse ck_coarsen(ck_pool *pool, const ck_matrix *matrix, uint8_t *data, float *residuals, float *norms);

/// How far the products with row `row` of x may be off: by residual · `residual` + norm · `norm`.
typedef struct ck_margin {
    float residual, norm;
} ck_margin;

/// `quantised`: the exact product reads the input's quantised side too.
ck_margin ck_coarse_margin(const ck_activations *x, size_t row, size_t columns, bool quantised);

/// The rows below `count` whose exact product may be `least` or more, ascending; `products` are the coarse ones.
/// Returns their number, which is above `room` when the rest is missing.
size_t ck_coarse_candidates(const ck_coarse *coarse, ck_margin margin, const float *products, float least, size_t count,
                            int32_t *candidates, size_t room);
