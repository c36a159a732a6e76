#include "pack.h"

#include <stdatomic.h>
#include <string.h>

#include "float16.h"
#include "formats.h"
#include "quantize.h"

/// How one type lies in a panel: runs of `unit` bytes, taken in turn from each of the 16 outputs.
typedef struct layout {
    size_t block;         // inputs a block
    size_t source_bytes;  // a block in the source
    size_t scale_bytes;   // of which the scale, at its start
    size_t unit;          // bytes interleaved at a time
} layout;

static bool layout_of(uint32_t type, layout *out) {
    switch (type) {
    case CK_F32: *out = (layout){1, 4, 0, 4}; return true;
    case CK_F16:
    case CK_BF16: *out = (layout){1, 2, 0, 2}; return true;
    case CK_Q8_0: *out = (layout){CK_BLOCK, 34, 2, 4}; return true;
    case CK_Q4_0: *out = (layout){CK_BLOCK, 18, 2, 4}; return true;
    default: return false;
    }
}

uint32_t ck_packed_type(uint32_t type) {
    switch (type) {
    case CK_Q5_0:
    case CK_IQ4_NL: return CK_Q8_0;
    case CK_Q4_1:
    case CK_Q5_1:
    case CK_Q2_K:
    case CK_Q3_K:
    case CK_Q4_K:
    case CK_Q5_K:
    case CK_Q6_K:
    case CK_IQ4_XS: return CK_F16;
    default: return type;
    }
}

/// The format to decode from; NULL for a type that is packed as it is.
static const ck_format *source_of(uint32_t type) { return ck_packed_type(type) == type ? NULL : ck_format_of(type); }

static size_t panel_bytes(const layout *l, size_t columns) {
    return columns / l->block * l->source_bytes * CK_PANEL;
}

size_t ck_packed_bytes(uint32_t type, size_t rows, size_t columns) {
    layout l;
    const ck_format *from = source_of(type);
    if (!layout_of(ck_packed_type(type), &l) || columns == 0 || columns % l.block != 0) return 0;
    if (from && columns % from->values != 0) return 0;
    return (rows + CK_PANEL - 1) / CK_PANEL * panel_bytes(&l, columns);
}

typedef struct packing {
    layout l;
    const ck_format *from;
    uint32_t type;       // packed
    atomic_bool failed;
    size_t rows, columns;
    const uint8_t *source;
    uint8_t *data;
} packing;

/// Copies one output's values into lane `lane` of its panel.
static inline void pack_lane(const layout l, size_t columns, const uint8_t *source, size_t lane, uint8_t *panel) {
    for (size_t block = 0; block < columns / l.block; block++) {
        uint8_t *target = panel + block * l.source_bytes * CK_PANEL;
        memcpy(target + lane * l.scale_bytes, source, l.scale_bytes);
        source += l.scale_bytes;
        target += CK_PANEL * l.scale_bytes + lane * l.unit;
        for (size_t at = l.scale_bytes; at < l.source_bytes; at += l.unit) {
            memcpy(target, source, l.unit);
            source += l.unit;
            target += CK_PANEL * l.unit;
        }
    }
}

/// The same for any layout: constant ones let the copies become single moves.
static void pack_values(const layout *l, size_t columns, const uint8_t *source, size_t lane, uint8_t *panel) {
    if (l->source_bytes == 34) pack_lane((layout){CK_BLOCK, 34, 2, 4}, columns, source, lane, panel);
    else if (l->source_bytes == 18) pack_lane((layout){CK_BLOCK, 18, 2, 4}, columns, source, lane, panel);
    else if (l->unit == 2) pack_lane((layout){1, 2, 0, 2}, columns, source, lane, panel);
    else pack_lane((layout){1, 4, 0, 4}, columns, source, lane, panel);
}

/// One block of a file's type in the packed type's format. False when a value is too large for it.
static bool convert_block(const ck_format *from, const uint8_t *block, uint32_t to, uint8_t *out) {
    float values[CK_FORMAT_VALUES];
    if (to == CK_F16) {
        from->decode(block, values);
        return ck_quantize_row(CK_F16, values, out, from->values);
    }
    // Both begin with the scale; with one of 1, the values are the integers.
    const uint16_t one = 0x3c00;
    uint8_t unscaled[CK_FORMAT_BYTES];
    memcpy(unscaled, block, from->bytes);
    memcpy(unscaled, &one, sizeof one);
    from->decode(unscaled, values);
    memcpy(out, block, sizeof one);
    for (size_t i = 0; i < CK_BLOCK; i++) out[2 + i] = (uint8_t)(int8_t)values[i];
    return true;
}

static void convert_row(packing *p, const uint8_t *source, size_t lane, uint8_t *panel) {
    uint8_t block[CK_FORMAT_VALUES * sizeof(uint16_t)];
    const size_t step = p->from->values / p->l.block * p->l.source_bytes * CK_PANEL;
    for (size_t at = 0; at < p->columns; at += p->from->values, source += p->from->bytes, panel += step) {
        if (!convert_block(p->from, source, p->type, block)) p->failed = true;
        pack_values(&p->l, p->from->values, block, lane, panel);
    }
}

static void pack_panel(void *context, size_t panel) {
    packing *p = context;
    const size_t bytes = panel_bytes(&p->l, p->columns);
    const size_t row_bytes = p->from ? p->columns / p->from->values * p->from->bytes : bytes / CK_PANEL;
    uint8_t *target = p->data + panel * bytes;
    if ((panel + 1) * CK_PANEL > p->rows) memset(target, 0, bytes);   // lanes without an output stay zero
    for (size_t lane = 0; lane < CK_PANEL && panel * CK_PANEL + lane < p->rows; lane++) {
        const uint8_t *source = p->source + (panel * CK_PANEL + lane) * row_bytes;
        if (p->from) convert_row(p, source, lane, target);
        else pack_values(&p->l, p->columns, source, lane, target);
    }
}

ck_matrix ck_pack(ck_pool *pool, uint32_t type, size_t rows, size_t columns, const void *source, uint8_t *data) {
    packing p = {.from = source_of(type), .type = ck_packed_type(type), .rows = rows, .columns = columns,
                 .source = source, .data = data};
    if (layout_of(p.type, &p.l)) ck_pool_run(pool, pack_panel, &p, (rows + CK_PANEL - 1) / CK_PANEL);
    return (ck_matrix){p.type, rows, columns, p.failed ? NULL : data};
}

void ck_pack_lane(uint32_t type, size_t columns, const uint8_t *source, size_t lane, uint8_t *panel) {
    layout l;
    if (layout_of(type, &l)) pack_values(&l, columns, source, lane, panel);
}

static uint16_t half_at(const uint8_t *bytes) {
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return half;
}

void ck_unpack_row(const ck_matrix *m, size_t row, float *values) {
    layout l;
    if (!layout_of(m->type, &l)) return;
    const size_t lane = row % CK_PANEL;
    const uint8_t *block = m->data + row / CK_PANEL * panel_bytes(&l, m->columns);
    for (size_t at = 0; at < m->columns; at += l.block, block += l.source_bytes * CK_PANEL) {
        const uint8_t *units = block + CK_PANEL * l.scale_bytes + lane * l.unit;
        const float scale = l.scale_bytes ? ck_from_f16(half_at(block + 2 * lane)) : 1;
        switch (m->type) {
        case CK_F32: memcpy(values + at, units, 4); break;
        case CK_F16: values[at] = ck_from_f16(half_at(units)); break;
        case CK_BF16: values[at] = ck_from_bf16(half_at(units)); break;
        case CK_Q8_0:
            for (size_t i = 0; i < CK_BLOCK; i++)
                values[at + i] = scale * (int8_t)units[i / 4 * 4 * CK_PANEL + i % 4];
            break;
        case CK_Q4_0:
            for (size_t i = 0; i < CK_BLOCK / 2; i++) {
                const uint8_t byte = units[i / 4 * 4 * CK_PANEL + i % 4];
                values[at + i] = scale * (float)((byte & 15) - 8);
                values[at + i + CK_BLOCK / 2] = scale * (float)((byte >> 4) - 8);
            }
            break;
        }
    }
}
