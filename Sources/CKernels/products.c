// Matrix products, spread over the pool by units of outputs.
#include <string.h>

#include "operations.h"
#include "pack.h"

// A unit is two panels: 32 outputs, a block of what follows. Rows come 48 at a time (a multiple of every kernel's rows a
// tile), so that inputs and a unit's weights stay in the second-level cache.
enum { UNIT_PANELS = 2, UNIT = UNIT_PANELS * CK_PANEL, TILE_ROWS = 48, LONG_SPAN = 4 };

static size_t panel_count(const ck_matrix *w) { return (w->rows + CK_PANEL - 1) / CK_PANEL; }

static size_t unit_count(const ck_matrix *w) { return (panel_count(w) + UNIT_PANELS - 1) / UNIT_PANELS; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/// Products of the rows first..<first+count of x with the panels of some units; returns how many outputs these have.
static size_t product(const ck_engine *engine, const ck_matrix *w, size_t unit, size_t units, const ck_activations *x,
                      size_t first, size_t count, const ck_target *to) {
    const size_t panel = unit * UNIT_PANELS, panels = least(panel_count(w) - panel, units * UNIT_PANELS);
    const uint8_t *data = w->data + panel * ck_packed_bytes(w->type, CK_PANEL, w->columns);
    ck_panels_for(engine->kernels, w->type)(data, panels, w->columns, x, first, count, to);
    return panels * CK_PANEL;
}

typedef struct project_job {
    const ck_engine *engine;
    const ck_projection *projections[3];
    const ck_activations *x;
    size_t first, rows;
} project_job;

static void project_unit(void *context, size_t unit) {
    const project_job *job = context;
    const ck_projection *const *next = job->projections;
    while (unit >= unit_count(&(*next)->weights)) unit -= unit_count(&(*next++)->weights);
    const ck_projection *p = *next;
    for (size_t row = 0; row < job->rows; row += TILE_ROWS) {
        const ck_target to = {p->out + row * p->out_stride + unit * UNIT, p->out_stride,
                              p->bias ? p->bias + unit * UNIT : NULL, p->accumulate};
        product(job->engine, &p->weights, unit, 1, job->x, job->first + row, least(job->rows - row, TILE_ROWS), &to);
    }
}

void ck_project(const ck_engine *engine, const ck_projection *q, const ck_projection *k, const ck_projection *v,
                const ck_activations *x, size_t first, size_t rows) {
    project_job job = {engine, {q, k, v}, x, first, rows};
    size_t units = 0;
    for (size_t i = 0; i < 3; i++)
        if (job.projections[i]) units += unit_count(&job.projections[i]->weights);
    ck_pool_run(engine->pool, project_unit, &job, units);
}

typedef struct swiglu_job {
    const ck_engine *engine;
    const ck_matrix *gate, *up;
    const ck_activations *x, *out;
    size_t rows;
    bool quantize;
    size_t span;   // units a task
} swiglu_job;

static void swiglu_rows(const swiglu_job *job, size_t unit, size_t row, size_t count) {
    _Alignas(64) float gate[TILE_ROWS * UNIT], up[TILE_ROWS * UNIT];
    const ck_activations *out = job->out;
    const size_t stride = job->span * UNIT;
    const ck_target to_gate = {gate, stride, NULL, false}, to_up = {up, stride, NULL, false};
    const size_t outputs = product(job->engine, job->gate, unit, job->span, job->x, row, count, &to_gate);
    product(job->engine, job->up, unit, job->span, job->x, row, count, &to_up);
    for (size_t r = 0; r < count; r++) {
        float *values = gate + r * stride;
        job->engine->kernels->swiglu(values, up + r * stride, outputs);
        if (job->quantize) ck_quantize_part(job->engine->kernels, values, out, row + r, unit * UNIT, outputs);
        else memcpy(out->values + (row + r) * out->stride + unit * UNIT, values, outputs * sizeof(float));
    }
}

static void swiglu_units(void *context, size_t task) {
    const swiglu_job *job = context;
    for (size_t row = 0; row < job->rows; row += TILE_ROWS)
        swiglu_rows(job, task * job->span, row, least(job->rows - row, TILE_ROWS));
}

void ck_swiglu(const ck_engine *engine, const ck_matrix *gate, const ck_matrix *up, const ck_activations *x,
               size_t rows, const ck_activations *out, bool quantize) {
    // A few rows only wait for memory, which gives a long run sooner than gate and up in turn.
    const size_t span = rows <= TILE_ROWS / LONG_SPAN ? LONG_SPAN : 1, units = unit_count(gate);
    swiglu_job job = {engine, gate, up, x, out, rows, quantize, span};
    ck_pool_run(engine->pool, swiglu_units, &job, (units + span - 1) / span);
}

void ck_project_some(const ck_engine *engine, const ck_matrix *weights, const int32_t *tokens, size_t count,
                     const ck_activations *x, size_t row, float *out) {
    const size_t panel_bytes = ck_packed_bytes(weights->type, CK_PANEL, weights->columns);
    ck_panels_fn *panels = ck_panels_for(engine->kernels, weights->type);
    for (size_t i = 0; i < count; i++) {
        float lanes[CK_PANEL];
        const size_t token = (size_t)tokens[i];
        const uint8_t *panel = weights->data + token / CK_PANEL * panel_bytes;
        panels(panel, 1, weights->columns, x, row, 1, &(ck_target){lanes, CK_PANEL, NULL, false});
        out[i] = lanes[token % CK_PANEL];
    }
}
