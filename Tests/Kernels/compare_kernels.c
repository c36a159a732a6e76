// Compares the kernels of every instruction set that this processor has with the portable ones, bit for bit, and prints
// for each a hash of all results, which is the same on every processor with fused multiply-add.
//
//   compare_kernels all       every kernel; generic.c must be built for a processor with fused multiply-add
//   compare_kernels integers  only what no sum of floats enters: the same without fused multiply-add
//
// Ends with 0 when all is equal, 1 when something differs, 77 when the processor has the portable set only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "CKernels.h"

enum { SKIPPED = 77, REPORTED = 10 };

static const ck_kernels *portable, *tested;
static size_t compared, different;
static uint64_t hash, random_state;

/// SplitMix64.
static uint64_t random_bits(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t random_below(size_t n) { return random_bits() % n; }

/// Either sign, an exponent of lowest...highest, any mantissa; -127 gives denormals.
static float random_float(int lowest, int highest) {
    const uint64_t random = random_bits();
    const uint32_t exponent = (uint32_t)(lowest + 127 + (int)random_below((size_t)(highest - lowest + 1)));
    const uint32_t bits = (uint32_t)random & 0x807fffffu;
    float value;
    memcpy(&value, &(uint32_t){bits | exponent << 23}, sizeof value);
    return value;
}

/// Any bits: denormals, infinities and NaN too, but a quiet one, as arithmetic gives.
static float any_float(void) {
    const uint32_t bits = (uint32_t)random_bits();
    const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
    float value;
    memcpy(&value, &(uint32_t){is_nan ? bits | 0x400000 : bits}, sizeof value);
    return value;
}

/// A finite F16 of any exponent.
static uint16_t random_half(void) {
    const uint16_t bits = (uint16_t)random_bits();
    return (bits & 0x7c00) == 0x7c00 ? bits & 0xbfff : bits;
}

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!memory) abort();
    memset(memory, 0xa5, (bytes + 63) / 64 * 64);
    return memory;
}

static void add_to_hash(const void *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const uint8_t *)data)[i]) * 0x100000001b3;
}

/// `actual` is the tested set's result, `expected` the portable one's.
static void expect_same(const char *kernel, const char *detail, const void *actual, const void *expected,
                        size_t bytes) {
    compared++;
    add_to_hash(actual, bytes);
    if (memcmp(actual, expected, bytes) == 0) return;
    size_t at = 0;
    while (((const uint8_t *)actual)[at] == ((const uint8_t *)expected)[at]) at++;
    if (different++ < REPORTED) fprintf(stderr, "%s differs at byte %zu of %zu: %s\n", kernel, at, bytes, detail);
}

// Row kernels.

static void compare_exp(void) {
    enum { N = 1 << 14 };
    static float x[N], a[N], b[N];
    const float edges[] = {0, -0.0f, 1e-45f, -1e-45f, 88.3f, -87.3f, 88.30001f, -87.30001f, 1e38f, -1e38f};
    for (size_t i = 0; i < N; i++) x[i] = i % 2 ? random_float(-30, 7) : any_float();
    memcpy(x, edges, sizeof edges);
    tested->exp(x, a, N);
    portable->exp(x, b, N);
    expect_same("exp", "edges and random values", a, b, sizeof a);
}

static void compare_swiglu(void) {
    enum { N = 1 << 12 };
    static float up[N], a[N], b[N];
    for (size_t n = 8; n <= N; n *= 2) {
        for (size_t i = 0; i < n; i++) {
            a[i] = b[i] = i % 8 == 0 ? random_float(-127, 60) : i % 8 == 1 ? 0 : random_float(-20, 7);
            up[i] = random_float(-30, 30);
        }
        tested->swiglu(a, up, n);
        portable->swiglu(b, up, n);
        expect_same("swiglu", "random values", a, b, n * sizeof *a);
    }
}

static void compare_norms(void) {
    enum { MOST = 1024 };
    static float x[MOST], weight[MOST], a[MOST], b[MOST];
    const int exponents[][2] = {{-3, 3}, {-127, -100}, {-127, 20}, {50, 100}, {0, 0}};
    for (size_t n = 1; n <= MOST; n += n < 70 ? 1 : 53)
        for (size_t e = 0; e < 5; e++) {
            const size_t stride = (n + CK_BLOCK - 1) / CK_BLOCK * CK_BLOCK;
            for (size_t i = 0; i < stride; i++) {
                x[i] = i < n && e < 4 ? random_float(exponents[e][0], exponents[e][1]) : 0;
                weight[i] = i < n ? random_float(-4, 2) : 0;
            }
            tested->rms_norm(x, weight, n, stride, 1e-6f, a);
            portable->rms_norm(x, weight, n, stride, 1e-6f, b);
            char detail[64];
            snprintf(detail, sizeof detail, "n %zu, exponents %zu", n, e);
            expect_same("rms_norm", detail, a, b, stride * sizeof *a);
        }
}

static void compare_to_f16(void) {
    enum { N = 1 << 16 };
    static float x[N];
    static uint16_t a[N], b[N];
    const uint32_t edges[] = {0x7fc00000, 0xffc00000, 0x7fc00001, 0xffffffff, 0x7f800000, 0xff800000, 0x477fe000,
                              0x477fefff, 0x477ff000, 0xc77ff000, 0x33000000, 0x33000001, 0xb3000000, 0x387fffff,
                              0x38800000, 0x00000001, 0x80000001, 0x80000000, 0x3f801000, 0x3f803000};
    for (size_t i = 0; i < N; i++) x[i] = i % 4 ? random_float(-27, 17) : any_float();
    memcpy(x, edges, sizeof edges);
    tested->to_f16(x, a, N);
    portable->to_f16(x, b, N);
    expect_same("to_f16", "edges and random values", a, b, sizeof a);
}

/// One block of activations, of a kind that counts up with `kind`.
static void fill_block(float *x, size_t kind) {
    for (size_t i = 0; i < CK_BLOCK; i++)
        switch (kind % 10) {
        case 0: x[i] = 0; break;
        case 1: x[i] = random_float(-127, -110); break;   // denormals among them
        case 2: x[i] = random_float(-103, -98); break;    // around 1e-30
        case 3: x[i] = random_float(40, 50); break;
        case 4: x[i] = i ? (float)random_below(255) / 2 - 63.5f : 127; break;   // ties
        case 5: x[i] = i % 2 ? -127 : 127; break;
        case 6: x[i] = i == 17 ? random_float(0, 3) : random_float(-127, -127); break;
        default: x[i] = random_float(-8, 4); break;
        }
}

static void compare_quantize(void) {
    enum { BLOCKS = 40, N = BLOCKS * CK_BLOCK };
    static float x[N], scale[2][BLOCKS];
    static int8_t quants[2][N];
    static int32_t sums[2][BLOCKS];
    for (size_t blocks = 1; blocks <= BLOCKS; blocks++) {
        for (size_t b = 0; b < blocks; b++) fill_block(x + b * CK_BLOCK, b + blocks);
        for (size_t i = 0; i < CK_BLOCK && blocks % 4 == 0; i++) x[i] = random_float(120, 127);   // up to the largest
        tested->quantize(x, blocks * CK_BLOCK, quants[0], scale[0], sums[0]);
        portable->quantize(x, blocks * CK_BLOCK, quants[1], scale[1], sums[1]);
        expect_same("quantize", "quants", quants[0], quants[1], blocks * CK_BLOCK);
        expect_same("quantize", "scales", scale[0], scale[1], blocks * sizeof(float));
        expect_same("quantize", "sums", sums[0], sums[1], blocks * sizeof(int32_t));
    }
}

// Matrix products.

static bool is_quantised(uint32_t type) { return type == CK_Q8_0 || type == CK_Q4_0; }

/// Rows of weights in the type's own format. Of kind 0 are the extremes: the largest magnitudes against each other.
static uint8_t *make_weights(uint32_t type, size_t rows, size_t columns, size_t kind, size_t *bytes) {
    const size_t unit = type == CK_F32 ? 4 : type == CK_Q8_0 ? 34 : type == CK_Q4_0 ? 18 : 2;
    const size_t units = rows * columns / (is_quantised(type) ? CK_BLOCK : 1);
    uint8_t *data = allocate(*bytes = units * unit);
    for (size_t u = 0; u < units; u++) {
        uint8_t *at = data + u * unit;
        const float value = kind == 0 ? random_float(-127, -100) : random_float(-12, 3);
        const uint16_t half = kind == 0 ? (u % 3 ? 0x7bff : 0x0001) : random_half();
        if (type == CK_F32) memcpy(at, &value, 4);
        else if (type == CK_BF16) memcpy(at, (const uint8_t *)&value + 2, 2);
        else memcpy(at, &half, 2);
        for (size_t i = 2; is_quantised(type) && i < unit; i++)
            at[i] = kind == 0 ? (uint8_t[]){0x80, 0x7f, 0x00, 0xff}[u % 5 < 4 ? u % 5 : i % 2] : (uint8_t)random_bits();
    }
    return data;
}

static ck_activations make_activations(size_t rows, size_t columns, size_t kind) {
    const size_t stride = (columns + CK_BLOCK - 1) / CK_BLOCK * CK_BLOCK, blocks = stride / CK_BLOCK;
    ck_activations x = {allocate(rows * stride * 4), allocate(rows * stride), allocate(rows * blocks * 4),
                        allocate(rows * blocks * 4), stride};
    for (size_t b = 0; b < rows * blocks; b++) {
        float *block = x.values + b * CK_BLOCK;
        if (kind > 0) fill_block(block, random_below(10));
        for (size_t i = 0; i < CK_BLOCK && kind == 0; i++) block[i] = (b % 3 < 2 ? b % 3 : i % 2) ? 127 : -127;
    }
    for (size_t i = 0; i < rows * stride; i++)
        if (i % stride >= columns) x.values[i] = 0;
    portable->quantize(x.values, rows * stride, x.quants, x.scales, x.sums);
    return x;
}

static void compare_product(ck_pool *pool, uint32_t type, size_t rows, size_t columns, size_t kind) {
    enum { MOST_ROWS = 27, FIRST = 2, GAP = 5 };
    size_t bytes;
    uint8_t *source = make_weights(type, rows, columns, kind, &bytes);
    uint8_t *data = allocate(ck_packed_bytes(type, rows, columns));
    const ck_matrix m = ck_pack(pool, type, rows, columns, source, data);
    const ck_activations x = make_activations(FIRST + MOST_ROWS, columns, kind);
    const size_t panels = (rows + CK_PANEL - 1) / CK_PANEL, y_stride = panels * CK_PANEL + GAP;
    const size_t y_bytes = MOST_ROWS * y_stride * sizeof(float);
    float *bias = allocate(panels * CK_PANEL * sizeof(float));
    for (size_t i = 0; i < panels * CK_PANEL; i++) bias[i] = random_float(-12, 3);
    for (size_t count = 1; count <= MOST_ROWS; count++) {
        float *a = allocate(y_bytes), *b = allocate(y_bytes);   // filled alike: what lies between rows stays
        const float *added = count % 3 == 1 ? bias : NULL;
        const ck_target to_a = {a, y_stride, added, count % 4 == 2}, to_b = {b, y_stride, added, count % 4 == 2};
        ck_panels_for(tested, type)(m.data, panels, columns, &x, FIRST, count, &to_a);
        ck_panels_for(portable, type)(m.data, panels, columns, &x, FIRST, count, &to_b);
        char detail[96];
        snprintf(detail, sizeof detail, "type %u, %zu x %zu, %zu rows, kind %zu", type, rows, columns, count, kind);
        expect_same("panels", detail, a, b, y_bytes);
        free(a);
        free(b);
    }
    float *unpacked = allocate(columns * sizeof(float)), *decoded = allocate(columns * sizeof(float));
    for (size_t row = 0; row < rows; row++) {
        ck_unpack_row(&m, row, unpacked);
        ck_dequantize_row(type, source + row * (bytes / rows), decoded, columns);
        expect_same("ck_unpack_row", "against ck_dequantize_row", unpacked, decoded, columns * sizeof(float));
    }
    for (size_t i = 0; i < 7; i++)
        free((void *[]){source, data, x.values, x.quants, x.scales, x.sums, unpacked}[i]);
    free(decoded);
    free(bias);
}

static void compare_products(bool integers_only) {
    static const uint32_t types[] = {CK_F32, CK_F16, CK_BF16, CK_Q8_0, CK_Q4_0};
    static const size_t odd[] = {1, 2, 3, 31, 32, 50, 97, 256}, whole[] = {32, 64, 96, 160, 352};
    ck_pool *pool = ck_pool_create(2);
    if (!pool) abort();
    for (size_t t = 0; t < 5; t++) {
        const bool quantised = is_quantised(types[t]);
        if (integers_only && !quantised) continue;
        // Of a single block no floats are added.
        const size_t sizes = integers_only ? 1 : quantised ? 5 : 8;
        for (size_t rows = 1; rows <= 49; rows += rows < 15 ? 7 : 17)
            for (size_t c = 0; c < sizes; c++)
                for (size_t kind = 0; kind < 3; kind++)
                    compare_product(pool, types[t], rows, quantised ? whole[c] : odd[c], kind);
    }
    ck_pool_destroy(pool);
}

// Attention.

/// Attention of any number of queries, as many at a time as the set takes.
static void attend(const ck_kernels *set, const ck_queries *all) {
    for (size_t first = 0; first < all->count; first += set->queries) {
        ck_queries some = *all;
        some.count = all->count - first < set->queries ? all->count - first : set->queries;
        for (size_t i = 0; i < some.count; i++) {
            some.q[i] = all->q[first + i];
            some.out[i] = all->out[first + i];
            some.position[i] = all->position[first + i];
        }
        set->attention(&some);
    }
}

/// Random values of a cache of `blocks` blocks; large ones too, as may lie behind the last token.
static void *random_cache(uint32_t type, size_t head_dim, size_t stride, size_t blocks) {
    const size_t bytes = ck_head_block(type, head_dim, stride), values = CK_BLOCK * (head_dim + stride);
    uint8_t *cache = allocate(blocks * bytes);
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *block = cache + b * bytes;
        for (size_t i = 0; i < values; i++) {
            const size_t kind = random_below(40);
            const uint16_t half = kind < 2 ? 0x8000 * kind : kind == 2 ? random_half() : ck_float_to_half(random_float(-8, 0));
            if (type == CK_F32) ((float *)block)[i] = ck_half_to_float(half);
            else if (type == CK_F16) ((uint16_t *)block)[i] = half;
            else ((int8_t *)block)[i] = kind < 2 ? 0 : (int8_t)((int)random_below(255) - 127);
        }
        float *scales = (float *)(block + values);
        for (size_t i = 0; i < 2 * CK_BLOCK && type == CK_I8; i++)
            scales[i] = random_below(20) == 0 ? 65504.0f / 127 : random_float(-14, -6);
    }
    return cache;
}

/// Some queries over three scattered blocks.
static void compare_attention_at(size_t head_dim, uint32_t type, size_t count) {
    enum { BLOCKS = 4, PLACES = 8 };
    static const int32_t table[] = {3, 0, 2};
    static const int32_t places[PLACES] = {0, 95, 31, 32, 1, 63, 64, 70};
    const size_t stride = (head_dim + 15) / 16 * 16;
    void *cache = random_cache(type, head_dim, stride, BLOCKS);
    float *q = allocate(CK_MAX_QUERIES * head_dim * sizeof(float)), *out[2];
    for (int set = 0; set < 2; set++) out[set] = allocate(CK_MAX_QUERIES * head_dim * sizeof(float));
    for (size_t place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < CK_MAX_QUERIES * head_dim; i++) q[i] = random_float(-6, 0);
        ck_queries queries = {.count = count, .cache = cache, .type = type,
                              .block_stride = ck_head_block(type, head_dim, stride), .blocks = table,
                              .head_dim = head_dim, .head_stride = stride};
        for (int set = 0; set < 2; set++) {
            for (size_t i = 0; i < count; i++) {
                queries.q[i] = q + i * head_dim;
                queries.out[i] = out[set] + i * head_dim;
                queries.position[i] = places[(place + 3 * i) % PLACES];
            }
            attend(set ? portable : tested, &queries);
        }
        char detail[64];
        snprintf(detail, sizeof detail, "head of %zu, %zu queries, %s", head_dim, count,
                 type == CK_F32 ? "F32" : type == CK_F16 ? "F16" : "int8");
        expect_same("attention", detail, out[0], out[1], CK_MAX_QUERIES * head_dim * sizeof(float));
    }
    for (size_t i = 0; i < 4; i++) free((void *[]){cache, q, out[0], out[1]}[i]);
}

static void compare_attention(void) {
    static const size_t heads[] = {2, 6, 16, 24, 64, 80, 128, 256};
    static const uint32_t types[] = {CK_F32, CK_F16, CK_I8};
    for (size_t h = 0; h < 8; h++)
        for (size_t count = 1; count <= CK_MAX_QUERIES; count++)
            for (size_t t = 0; t < 3; t++) compare_attention_at(heads[h], types[t], count);
}

/// All comparisons, with the same random numbers for every set.
static void compare_set(const ck_kernels *set, bool all) {
    tested = set;
    compared = different = 0;
    hash = 0xcbf29ce484222325;   // FNV-1a
    random_state = 1;
    compare_to_f16();
    compare_quantize();
    compare_products(!all);
    if (all) {
        compare_exp();
        compare_swiglu();
        compare_norms();
        compare_attention();
    }
}

int main(int argc, char **argv) {
    const bool all = argc == 2 && strcmp(argv[1], "all") == 0;
    if (!all && (argc != 2 || strcmp(argv[1], "integers") != 0)) {
        fprintf(stderr, "usage: compare_kernels all|integers\n");
        return 2;
    }
    portable = ck_kernels_generic();
    const ck_kernels *sets[] = {ck_kernels_avx2(), ck_kernels_avx512(), ck_kernels_neon()};
    size_t found = 0, wrong = 0;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (!sets[i]) continue;
        compare_set(sets[i], all);
        printf("%s against portable, %s: %zu results compared, %zu differ, hash %016llx\n", tested->name, argv[1], compared,
               different, (unsigned long long)hash);
        found++;
        wrong += different;
    }
    if (found == 0) {
        printf("Skipped: this processor has the portable kernels only.\n");
        return SKIPPED;
    }
    return wrong > 0;
}
