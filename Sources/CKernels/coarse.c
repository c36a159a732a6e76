#include "coarse.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "quantize.h"

enum { MAX_COLUMNS = 8192, Q4_BLOCK = 18, STEP = 16 };

bool ck_can_coarsen(uint32_t type, size_t columns) {
    const bool larger = type == CK_F32 || type == CK_F16 || type == CK_BF16 || type == CK_Q8_0;
    return larger && columns % CK_BLOCK == 0 && columns <= MAX_COLUMNS;
}

/// As a float that is not less; infinite for what is no number.
static float rounded_up(double value) { return value < FLT_MAX / 2 ? (float)(value * (1 + 1e-6)) : INFINITY; }

typedef struct coarsening {
    const ck_matrix *matrix;
    uint8_t *data;
    float *residuals, *norms;
} coarsening;

static void coarsen_row(const coarsening *job, size_t row, uint8_t *panel) {
    const size_t columns = job->matrix->columns;
    float exact[MAX_COLUMNS], coarse[MAX_COLUMNS];
    uint8_t quantised[MAX_COLUMNS / CK_BLOCK * Q4_BLOCK] = {0};
    ck_unpack_row(job->matrix, row, exact);
    const bool fits = ck_quantize_row(CK_Q4_0, exact, quantised, columns);
    if (!fits) memset(quantised, 0, columns / CK_BLOCK * Q4_BLOCK);
    ck_dequantize_row(CK_Q4_0, quantised, coarse, columns);
    double squares = 0, rest = 0;
    for (size_t i = 0; i < columns; i++) {
        const double off = (double)exact[i] - (double)coarse[i];
        squares += (double)exact[i] * (double)exact[i];
        rest += off * off;
    }
    ck_pack_lane(CK_Q4_0, columns, quantised, row % CK_PANEL, panel);
    job->norms[row] = rounded_up(sqrt(squares));
    job->residuals[row] = fits ? rounded_up(sqrt(rest)) : INFINITY;
}

static void coarsen_panel(void *context, size_t panel) {
    const coarsening *job = context;
    const size_t bytes = ck_packed_bytes(CK_Q4_0, CK_PANEL, job->matrix->columns), first = panel * CK_PANEL;
    uint8_t *target = job->data + panel * bytes;
    memset(target, 0, bytes);
    for (size_t row = first; row < first + CK_PANEL && row < job->matrix->rows; row++) coarsen_row(job, row, target);
}

ck_coarse ck_coarsen(ck_pool *pool, const ck_matrix *matrix, uint8_t *data, float *residuals, float *norms) {
    coarsening job = {matrix, data, residuals, norms};
    ck_pool_run(pool, coarsen_panel, &job, (matrix->rows + CK_PANEL - 1) / CK_PANEL);
    return (ck_coarse){{CK_Q4_0, matrix->rows, matrix->columns, data}, residuals, norms};
}

ck_margin ck_coarse_margin(const ck_activations *x, size_t row, size_t columns, bool quantised) {
    const float *values = x->values + row * x->stride;
    const int8_t *quants = x->quants + row * x->stride;
    const float *scales = x->scales + row * (x->stride / CK_BLOCK);
    double exact = 0, coarse = 0, off = 0;
    for (size_t i = 0; i < columns; i++) {
        const double near = (double)scales[i / CK_BLOCK] * quants[i], value = quantised ? near : (double)values[i];
        exact += value * value;
        coarse += near * near;
        off += (value - near) * (value - near);
    }
    // Each of at most `columns` additions is off by half a unit of its sum's last place, on both sides.
    const double rounding = (double)(columns + CK_BLOCK) * FLT_EPSILON * sqrt(exact > coarse ? exact : coarse);
    return (ck_margin){rounded_up(sqrt(coarse)), rounded_up(sqrt(off) + 2 * rounding)};
}

size_t ck_coarse_candidates(const ck_coarse *coarse, ck_margin margin, const float *products, float least, size_t count,
                            int32_t *candidates, size_t room) {
    size_t found = 0;
    for (size_t start = 0; start < count && found <= room; start += STEP) {
        const size_t end = start + STEP < count ? start + STEP : count;
        const float *p = products + start, *r = coarse->residuals + start, *n = coarse->norms + start;
        bool below[STEP];
        int missed = 0;
        for (size_t i = 0; i < end - start; i++) {
            below[i] = p[i] + (r[i] * margin.residual + n[i] * margin.norm) < least;
            missed += below[i];
        }
        if ((size_t)missed == end - start) continue;
        for (size_t i = 0; i < end - start; i++) {
            if (below[i]) continue;
            if (found < room) candidates[found] = (int32_t)(start + i);
            found++;
        }
    }
    return found;
}
