/* bench: the products that read encoded weights, at every instruction set level, on a matrix that no cache holds, for
 * before each timed product more than the caches' size is read from elsewhere:
 * beside reading the same bytes and doing nothing with them, and beside OpenBLAS on FP32 rows as many bytes long. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/threads.h"
#include "bench_probe.h"
#include "compute/ceilings.h"
#include "compute/fused.h"
#include "compute/kernels.h"

enum { COLS = 4096, MANY = 8, LEVELS = QB_ISA_AMX + 1, TASK_ROWS = 64, STREAMS = QB_READ_STREAMS, PIECE = 1 << 20 };
#define MATRIX_BYTES ((size_t)128 << 20)

/* How a kind's rows lie in the bytes: codes of all rows first, then their signs. Scales are one a row, of blocks
 * theirs.
 */
static const struct kind {
    const char *name;
    int32_t kind;
    size_t row, sign_row;  /* bytes of COLS columns */
    size_t block;          /* bytes of 32 columns */
    bool mirrored, narrow; /* tables: halves with the other sign, values that are bfloats */
    size_t group;          /* columns that share an FP32 scale; a row's lie in front of its codes */
    float octaves; /* tables: magnitudes evenly over so many, qins8's as SmolLM2's matrices have (11 to 18, most 16) */
} kinds[] = {{.name = "fp32", .kind = QB_LAYOUT_FLOAT, .row = 4 * COLS},
             {.name = "fp16", .kind = QB_LAYOUT_HALF, .row = 2 * COLS},
             {.name = "bf16", .kind = QB_LAYOUT_BFLOAT, .row = 2 * COLS},
             {.name = "int8", .kind = QB_LAYOUT_INT8, .row = COLS},
             {.name = "q8_0", .kind = QB_LAYOUT_INT8, .row = COLS / 32 * 34, .block = 34},
             {.name = "q4_0", .kind = QB_LAYOUT_TABLE4, .row = COLS / 32 * 18, .block = 18},
             {.name = "nf4, a scale a row", .kind = QB_LAYOUT_TABLE4, .row = COLS / 2},
             {.name = "bfloats and a sign", .kind = QB_LAYOUT_TABLE8, .row = COLS, .mirrored = true, .narrow = true},
             {.name = "qinsc", .kind = QB_LAYOUT_TABLE8, .row = COLS, .mirrored = true, .octaves = 7},
             {.name = "qinsc, groups of 128",
              .kind = QB_LAYOUT_TABLE8,
              .row = COLS + COLS / 32,
              .mirrored = true,
              .octaves = 7,
              .group = 128},
             {.name = "codebook8", .kind = QB_LAYOUT_TABLE8, .row = COLS},
             {.name = "qins8 9 bits", .kind = QB_LAYOUT_CODES, .row = COLS, .sign_row = COLS / 8, .octaves = 17},
             {.name = "qins8 16 bits", .kind = QB_LAYOUT_CODES, .row = COLS, .sign_row = COLS, .octaves = 17}};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct shared {
    unsigned char *bytes; /* [MATRIX_BYTES] */
    unsigned char *other; /* [qb_beyond_caches()]; reading it leaves nothing else in the caches */
    float x[MANY * COLS];
    float *y; /* [MANY, rows] of the most rows */
    struct qb_pool *pool;
    unsigned char seen[STREAMS]; /* keeps what was read alive */
};

struct product {
    struct shared *shared;
    const struct qb_fused *fused;
    enum qb_isa isa;
    size_t rows, n;
    float *scratch;
    struct qb_fused_inputs in;
};

struct qb_bench_dots {
    struct shared shared;
    struct qb_fused *fused[KINDS];
    struct product products[KINDS][LEVELS + 1];
    struct product blas[2];
    struct product reading[KINDS];
};

static void product_task(void *context, size_t index, unsigned worker)
{
    struct product *p = context;
    size_t row = index * TASK_ROWS, count = p->rows - row < TASK_ROWS ? p->rows - row : TASK_ROWS;
    (void)worker;
    qb_fused_multiply(p->fused, row, count, &p->in, p->shared->y + row, p->rows);
}

static enum qb_status call_product(void *context, struct qb_error *err)
{
    struct product *p = context;
    (void)err;
    qb_kernels_use(p->isa);
    p->in = qb_fused_prepare(p->fused, p->shared->x, p->n, p->scratch);
    qb_pool_run(p->shared->pool, (p->rows + TASK_ROWS - 1) / TASK_ROWS, product_task, p);
    qb_kernels_use(qb_cpu()->isa);
    return QB_OK;
}

static void blas_task(void *context, size_t index, unsigned worker)
{
    struct product *p = context;
    size_t row = index * TASK_ROWS, count = p->rows - row < TASK_ROWS ? p->rows - row : TASK_ROWS;
    const float *w = (const float *)(const void *)p->shared->bytes + row * COLS;
    (void)worker;
    if (p->n == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, (int)count, COLS, 1.0f, w, COLS, p->shared->x, 1, 0.0f,
                    p->shared->y + row, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)p->n, (int)count, COLS, 1.0f, p->shared->x, COLS, w,
                    COLS, 0.0f, p->shared->y + row, (int)p->rows);
}

static enum qb_status call_blas(void *context, struct qb_error *err)
{
    struct product *p = context;
    (void)err;
    qb_pool_run(p->shared->pool, (p->rows + TASK_ROWS - 1) / TASK_ROWS, blas_task, p);
    return QB_OK;
}

/* Part `index` of these bytes. */
static void read_piece(struct shared *shared, const unsigned char *bytes, size_t size, size_t index)
{
    const size_t begin = index * PIECE;
    const unsigned seen = qb_read_streams(bytes + begin, size - begin < PIECE ? size - begin : PIECE);
    shared->seen[index % STREAMS] ^= (unsigned char)seen;
}

static void read_task(void *context, size_t index, unsigned worker)
{
    struct product *p = context;
    (void)worker;
    read_piece(p->shared, p->shared->bytes, p->rows * COLS, index);
}

static enum qb_status call_read(void *context, struct qb_error *err)
{
    struct product *p = context;
    (void)err;
    qb_pool_run(p->shared->pool, (p->rows * COLS + PIECE - 1) / PIECE, read_task, p); /* rows of COLS bytes */
    return QB_OK;
}

static void read_other_task(void *context, size_t index, unsigned worker)
{
    struct product *p = context;
    (void)worker;
    read_piece(p->shared, p->shared->other, qb_size_of(p->shared->other), index);
}

static void empty_caches(void *context)
{
    const struct product *p = context;
    qb_pool_run(p->shared->pool, (qb_size_of(p->shared->other) + PIECE - 1) / PIECE, read_other_task, context);
}

static struct qb_probe *add(struct qb_probes *probes, const char *name, const char *detail, double bytes,
                            enum qb_status (*call)(void *, struct qb_error *), struct product *product,
                            struct qb_error *err)
{
    struct qb_probe *probe = qb_probes_add(probes, err);
    if (!probe)
        return NULL;
    snprintf(probe->group, sizeof probe->group, "product");
    snprintf(probe->name, sizeof probe->name, "%s", name);
    snprintf(probe->detail, sizeof probe->detail, "%s", detail);
    probe->unit = "GB/s";
    probe->work = bytes;
    probe->call = call;
    probe->before = empty_caches;
    probe->context = product;
    return probe;
}

/* OpenBLAS on n inputs; its place among the probes. */
static enum qb_status add_blas(struct qb_bench_dots *b, size_t n, struct qb_probes *probes, size_t *place,
                               struct qb_error *err)
{
    struct product *p = &b->blas[n > 1];
    const size_t rows = MATRIX_BYTES / (COLS * sizeof(float));
    char name[48];
    *p = (struct product){.shared = &b->shared, .rows = rows, .n = n};
    snprintf(name, sizeof name, "OpenBLAS fp32, %zu input%s", n, n > 1 ? "s" : "");
    struct qb_probe *probe = add(probes, name, "", (double)MATRIX_BYTES, call_blas, p, err);
    if (!probe)
        return err->status;
    *place = probes->count - 1;
    return QB_OK;
}

static enum qb_status add_kind(struct qb_bench_dots *b, size_t k, enum qb_isa top, const size_t blas[2],
                               struct qb_probes *probes, struct qb_error *err)
{
    const struct kind *kind = &kinds[k];
    const size_t rows = MATRIX_BYTES / (kind->row + kind->sign_row) / STREAMS * STREAMS;
    const size_t bytes = rows * (kind->row + kind->sign_row), read = probes->count;
    struct qb_codec_layout layout = {.kind = kind->kind, .row_bytes = kind->row, .sign_row = kind->sign_row};
    layout.sign_bits = kind->sign_row < COLS;
    layout.signs = rows * kind->row;
    layout.block_bytes = kind->block;
    layout.first = kind->group ? COLS / kind->group * sizeof(float) : kind->block % 16;
    layout.scale = kind->block ? QB_LAYOUT_SCALE_HALF : QB_LAYOUT_SCALE_FLOAT;
    layout.group = kind->block ? 32 : kind->group;
    layout.scale_row = layout.group ? kind->row : sizeof(float); /* one a row: side by side, as codecs have them */
    layout.scale_group = kind->block ? kind->block : sizeof(float);
    const int codes = kind->kind == QB_LAYOUT_CODES ? 256 : 128; /* of magnitudes; the others have a sign in them */
    for (int code = 1; code < 256; code++) {
        layout.values[code] = kind->mirrored && code > 128 ? -layout.values[code - 128] : 1.0f / (float)code;
        if (kind->narrow && code < 128)
            layout.values[code] = ldexpf(1, -code % 16);
        if (kind->octaves > 0 && code < codes)
            layout.values[code] = exp2f(-kind->octaves * (float)(code - 1) / (float)(codes - 2));
    }
    for (int code = 0; kind->block && code < 16; code++)
        layout.values[code] = (float)code - 8;
    layout.values[128] = kind->mirrored ? -layout.values[0] : layout.values[128];
    if (qb_fused_make(&layout, b->shared.bytes, 0, rows, COLS, &b->fused[k], err))
        return err->status;
    b->reading[k] = (struct product){.shared = &b->shared, .rows = bytes / COLS};
    if (!add(probes, "read", kind->name, (double)bytes, call_read, &b->reading[k], err))
        return err->status;
    for (int level = 0; level <= (int)top + 1; level++) { /* the last: the top one again, with many inputs */
        struct product *p = &b->products[k][level];
        const size_t n = level > (int)top ? MANY : 1;
        char name[48];
        *p = (struct product){.shared = &b->shared, .fused = b->fused[k], .rows = rows, .n = n};
        p->isa = level > (int)top ? top : (enum qb_isa)level;
        p->scratch = qb_alloc(qb_fused_scratch(p->fused, n) + 1, sizeof(float), "inputs", err);
        snprintf(name, sizeof name, "%s, %zu input%s", kind->name, n, n > 1 ? "s" : "");
        struct qb_probe *probe =
            p->scratch ? add(probes, name, qb_isa_name(p->isa), (double)bytes, call_product, p, err) : NULL;
        if (!probe)
            return err->status;
        probe->ceiling = read;
        probe->beside = blas[n > 1];
        probe->beside_work = (double)rows * COLS * sizeof(float); /* bytes of these weights as FP32 */
    }
    return QB_OK;
}

enum qb_status qb_bench_dots(enum qb_isa top, unsigned threads, struct qb_probes *probes, struct qb_bench_dots **out,
                             struct qb_error *err)
{
    struct qb_rng rng;
    struct qb_bench_dots *b = *out = qb_alloc(1, sizeof *b, "product probes", err);
    if (!b)
        return err->status;
    b->shared.bytes = qb_alloc(MATRIX_BYTES, 1, "weights", err);
    b->shared.y = b->shared.bytes ? qb_alloc(MANY * (MATRIX_BYTES / (COLS / 2)), sizeof(float), "y", err) : NULL;
    if (!b->shared.y || qb_pool_create(threads, &b->shared.pool, err))
        return err->status;
    if (!(b->shared.other = qb_alloc(qb_beyond_caches(), 1, "what empties the caches", err)))
        return err->status;
    memset(b->shared.other, 1, qb_beyond_caches());
    qb_rng_seed(&rng, 1);
    qb_rng_normal(&rng, 0, 1, b->shared.x, MANY * COLS);
    for (size_t i = 0; i < MATRIX_BYTES; i++) /* values and scales of every kind are normal numbers */
        b->shared.bytes[i] = (unsigned char)(0x2c + i * 7 % 19);
    size_t blas[2];
    if (add_blas(b, 1, probes, &blas[0], err) || add_blas(b, MANY, probes, &blas[1], err))
        return err->status;
    for (size_t k = 0; k < KINDS; k++)
        if (add_kind(b, k, top, blas, probes, err))
            return err->status;
    return QB_OK;
}

void qb_bench_dots_free(struct qb_bench_dots *b)
{
    if (!b)
        return;
    for (size_t k = 0; k < KINDS; k++) {
        qb_fused_free(b->fused[k]);
        for (size_t level = 0; level <= LEVELS; level++)
            qb_free(b->products[k][level].scratch);
    }
    qb_pool_free(b->shared.pool);
    qb_free(b->shared.bytes);
    qb_free(b->shared.y);
    qb_free(b->shared.other);
    qb_free(b);
}
