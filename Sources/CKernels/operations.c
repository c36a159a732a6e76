#include "operations.h"

#include "pack.h"

typedef struct embed_job {
    const ck_matrix *table;
    const int32_t *tokens;
    float *x;
    size_t stride;
} embed_job;

static void embed_row(void *context, size_t row) {
    const embed_job *job = context;
    ck_unpack_row(job->table, (size_t)job->tokens[row], job->x + row * job->stride);
}

void ck_embed(const ck_engine *engine, const ck_matrix *table, const int32_t *tokens, size_t rows, float *x,
              size_t stride) {
    embed_job job = {table, tokens, x, stride};
    ck_pool_run(engine->pool, embed_row, &job, rows);
}

typedef struct norm_job {
    const ck_kernels *kernels;
    const float *x, *weight;
    size_t n, first;
    float eps;
    const ck_activations *out;
    bool norm, quantize;
} norm_job;

static void norm_row(void *context, size_t index) {
    const norm_job *job = context;
    const size_t row = job->first + index, stride = job->out->stride, blocks = stride / CK_BLOCK;
    float *values = job->out->values + row * stride;
    if (job->norm) job->kernels->rms_norm(job->x + row * stride, job->weight, job->n, stride, job->eps, values);
    if (job->quantize)
        job->kernels->quantize(values, stride, job->out->quants + row * stride, job->out->scales + row * blocks,
                               job->out->sums + row * blocks);
}

void ck_norm_rows(const ck_engine *engine, const float *x, size_t rows, const float *weight, size_t n, float eps,
                  const ck_activations *out, bool quantize) {
    norm_job job = {engine->kernels, x, weight, n, 0, eps, out, true, quantize};
    ck_pool_run(engine->pool, norm_row, &job, rows);
}

void ck_quantize_rows(const ck_engine *engine, const ck_activations *x, size_t first, size_t rows) {
    norm_job job = {.kernels = engine->kernels, .first = first, .out = x, .quantize = true};
    ck_pool_run(engine->pool, norm_row, &job, rows);
}

// Products. A unit is two panels (32 outputs); its results pass through a tile on the stack, 48 rows at a time (a
// multiple of every kernel's rows a tile), where bias, residual or SwiGLU are applied.
enum { UNIT_PANELS = 2, UNIT = UNIT_PANELS * CK_PANEL, TILE_ROWS = 48, TASKS_PER_THREAD = 8 };

typedef struct product_job {
    const ck_engine *engine;
    const ck_projection *projections[3];
    const ck_matrix *gate, *up;   // SwiGLU
    float *out;
    size_t out_stride;
    const ck_activations *x;
    size_t first, rows, units, units_per_task;
} product_job;

static size_t panel_count(const ck_matrix *w) { return (w->rows + CK_PANEL - 1) / CK_PANEL; }

static size_t unit_count(const ck_matrix *w) { return (panel_count(w) + UNIT_PANELS - 1) / UNIT_PANELS; }

/// tile = rows row..<row+count of x times the panels of one unit; returns how many outputs that are.
static size_t product(const product_job *job, const ck_matrix *w, size_t unit, size_t row, size_t count, float *tile) {
    const size_t panel = unit * UNIT_PANELS, left = panel_count(w) - panel;
    const size_t panels = left < UNIT_PANELS ? left : UNIT_PANELS;
    const uint8_t *data = w->data + panel * ck_packed_bytes(w->type, CK_PANEL, w->columns);
    ck_panels_for(job->engine->kernels, w->type)(data, panels, w->columns, job->x, job->first + row, count, tile, UNIT);
    return panels * CK_PANEL;
}

static void project_unit(const product_job *job, const ck_projection *p, size_t unit, size_t row, size_t count) {
    _Alignas(64) float tile[TILE_ROWS * UNIT];
    const size_t outputs = product(job, &p->weights, unit, row, count, tile);
    for (size_t r = 0; r < count; r++) {
        const float *from = tile + r * UNIT;
        float *out = p->out + (row + r) * p->out_stride + unit * UNIT;
        for (size_t j = 0; j < outputs; j++) {
            const float value = p->bias ? from[j] + p->bias[unit * UNIT + j] : from[j];
            out[j] = p->accumulate ? out[j] + value : value;
        }
    }
}

static void swiglu_unit(const product_job *job, size_t unit, size_t row, size_t count) {
    _Alignas(64) float gate[TILE_ROWS * UNIT], up[TILE_ROWS * UNIT];
    const size_t outputs = product(job, job->gate, unit, row, count, gate);
    product(job, job->up, unit, row, count, up);
    for (size_t r = 0; r < count; r++) {
        job->engine->kernels->swiglu(gate + r * UNIT, up + r * UNIT, outputs);
        float *out = job->out + (row + r) * job->out_stride + unit * UNIT;
        for (size_t j = 0; j < outputs; j++) out[j] = gate[r * UNIT + j];
    }
}

static void run_unit(const product_job *job, size_t unit) {
    const ck_projection *const *p = job->projections;
    if (!job->gate)
        while (unit >= unit_count(&(*p)->weights)) unit -= unit_count(&(*p++)->weights);
    for (size_t row = 0; row < job->rows; row += TILE_ROWS) {
        const size_t count = job->rows - row < TILE_ROWS ? job->rows - row : TILE_ROWS;
        if (job->gate) swiglu_unit(job, unit, row, count);
        else project_unit(job, *p, unit, row, count);
    }
}

static void run_units(void *context, size_t task) {
    const product_job *job = context;
    const size_t end = (task + 1) * job->units_per_task;
    for (size_t unit = task * job->units_per_task; unit < end && unit < job->units; unit++) run_unit(job, unit);
}

static void run_products(product_job *job) {
    const size_t tasks = ck_pool_threads(job->engine->pool) * TASKS_PER_THREAD;
    job->units_per_task = (job->units + tasks - 1) / tasks;
    if (job->units == 0) return;
    ck_pool_run(job->engine->pool, run_units, job, (job->units + job->units_per_task - 1) / job->units_per_task);
}

void ck_project(const ck_engine *engine, const ck_projection *q, const ck_projection *k, const ck_projection *v,
                const ck_activations *x, size_t first, size_t rows) {
    product_job job = {.engine = engine, .projections = {q, k, v}, .x = x, .first = first, .rows = rows};
    for (size_t i = 0; i < 3; i++)
        if (job.projections[i]) job.units += unit_count(&job.projections[i]->weights);
    run_products(&job);
}

void ck_swiglu(const ck_engine *engine, const ck_matrix *gate, const ck_matrix *up, const ck_activations *x,
               size_t rows, float *out, size_t out_stride) {
    product_job job = {.engine = engine, .gate = gate, .up = up, .out = out, .out_stride = out_stride,
                       .x = x, .rows = rows, .units = unit_count(gate)};
    run_products(&job);
}

void ck_project_some(const ck_engine *engine, const ck_matrix *weights, const int32_t *tokens, size_t count,
                     const ck_activations *x, size_t row, float *out) {
    const size_t panel_bytes = ck_packed_bytes(weights->type, CK_PANEL, weights->columns);
    ck_panels_fn *panels = ck_panels_for(engine->kernels, weights->type);
    for (size_t i = 0; i < count; i++) {
        float lanes[CK_PANEL];
        const size_t token = (size_t)tokens[i];
        panels(weights->data + token / CK_PANEL * panel_bytes, 1, weights->columns, x, row, 1, lanes, CK_PANEL);
        out[i] = lanes[token % CK_PANEL];
    }
}
