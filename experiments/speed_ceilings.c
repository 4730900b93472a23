/* Ceilings of a speed cell. A pass that finds its weights in a cache is bounded by that cache, not by memory: each
 * ceiling is measured on a working set as large as the pass has that it bounds. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "compute/gemm.h"
#include "speed_parts.h"

#define TURN 5e-4    /* least seconds of a turn */
#define TURNS 12     /* of each in a measurement */
#define TURNS_S 0.03 /* unless they take longer than this together; one is always taken */
#define SHAPES 32    /* distinct products of a layer that are looked at */
#define TOKENS 512   /* rows of a product at most: more make none faster */

struct shape {
    size_t rows, cols, count;
    double seconds; /* the fastest so far */
};

struct qb_read_ceiling {
    struct qb_pool *pool;
    float *floats;       /* [count] */
    size_t count, parts; /* over `parts` threads */
    double *sums;        /* [parts]: what reading comes to, so that it happens */
};

struct qb_ceilings {
    struct qb_pool *pool;
    const struct qb_stored *stored;
    struct qb_read_ceiling *read;
    unsigned char *source; /* [source_bytes]: as large as what is stored */
    float *target;         /* [target_count]: as large as the largest decoded tensor */
    size_t source_bytes, target_count;
    size_t *pieces; /* [piece_count]: floats of each decoded tensor */
    size_t piece_count, copied;
    struct shape shapes[SHAPES], shape; /* shape: the one being timed */
    size_t shape_count, tokens;
    float *a, *b, *c; /* operands of the largest product */
    double flop;      /* of all shapes, each `count` times */
};

/* Seconds of one call: an untimed one puts its working set where its own calls leave it, whatever ran before. */
static double time_call(void (*call)(void *), void *context)
{
    size_t calls = 0;
    call(context);
    double start = qb_clock(), spent;
    do {
        call(context);
        calls++;
        spent = qb_clock() - start;
    } while (spent < TURN);
    return spent / (double)calls;
}

/* ---- reading ---- */

static void read_part(void *context, size_t index, unsigned worker)
{
    struct qb_read_ceiling *c = context;
    size_t from = c->count * index / c->parts, to = c->count * (index + 1) / c->parts;
    (void)worker;
    c->sums[index] = (double)cblas_sasum((blasint)(to - from), c->floats + from, 1);
}

static void read_all(void *context)
{
    struct qb_read_ceiling *c = context;
    c->sums[0] = (double)cblas_sasum((blasint)c->count, c->floats, 1);
}

static void read_parts(void *context)
{
    struct qb_read_ceiling *c = context;
    qb_pool_run(c->pool, c->parts, read_part, c);
}

/* A small set is read faster by one thread than by waking others. */
static double time_read(struct qb_read_ceiling *c)
{
    double one = time_call(read_all, c);
    return c->parts > 1 ? fmin(one, time_call(read_parts, c)) : one;
}

static double read_bytes(const struct qb_read_ceiling *c)
{
    return (double)(c->count * sizeof *c->floats);
}

enum qb_status qb_read_ceiling_create(struct qb_pool *pool, double bytes, struct qb_read_ceiling **ceiling,
                                      struct qb_error *err)
{
    struct qb_read_ceiling *c = *ceiling = qb_alloc(1, sizeof *c, "the read ceiling", err);
    if (!c)
        return err->status;
    double floats = fmin(bytes, (double)QB_CEILING_MOST) / sizeof(float);
    c->pool = pool;
    c->count = floats >= 1 ? (size_t)floats : 1;
    c->parts = qb_pool_threads(pool);
    c->floats = qb_alloc(c->count, sizeof *c->floats, "the read ceiling's working set", err);
    c->sums = qb_alloc(c->parts, sizeof *c->sums, "the read ceiling's sums", err);
    for (size_t i = 0; c->floats && i < c->count; i++)
        c->floats[i] = (float)(i % 97);
    return c->floats && c->sums ? QB_OK : err->status;
}

void qb_read_ceiling_free(struct qb_read_ceiling *c)
{
    if (!c)
        return;
    qb_free(c->sums);
    qb_free(c->floats);
    qb_free(c);
}

double qb_read_ceiling_measure(struct qb_read_ceiling *c)
{
    double read = INFINITY;
    const double start = qb_clock();
    for (size_t turn = 0; turn < TURNS && (turn == 0 || qb_clock() - start < TURNS_S); turn++)
        read = fmin(read, time_read(c));
    return read_bytes(c) / read / 1e9;
}

/* ---- writing ---- */

static void fill(void *context)
{
    struct qb_ceilings *c = context;
    for (size_t i = 0; i < c->piece_count; i++) {
        memset(c->target, (int)(i & 1), c->pieces[i] * sizeof(float));
        __asm__ volatile("" : : "r"(c->target) : "memory");
    }
}

static void copy(void *context)
{
    struct qb_ceilings *c = context;
    size_t at = 0;
    for (size_t i = 0; i < c->piece_count; i++)
        for (size_t done = 0, n; done < c->pieces[i] * sizeof(float); done += n) {
            size_t left = c->pieces[i] * sizeof(float) - done;
            at = at < c->source_bytes ? at : 0;
            n = left < c->source_bytes - at ? left : c->source_bytes - at;
            memcpy((unsigned char *)c->target + done, c->source + at, n);
            __asm__ volatile("" : : "r"(c->target) : "memory");
            at += n;
        }
}

/* What any codec of 8-bit codes could do at best in plain C: a code in, a float of a table of 256 out. It slows down as
 * such a codec does when the processor's clock or a neighbour changes, which memcpy and sgemm do not. */
static void lookup(void *context)
{
    struct qb_ceilings *c = context;
    float table[256];
    size_t at = 0;
    for (int i = 0; i < 256; i++)
        table[i] = (float)i;
    __asm__ volatile("" : : "r"(table) : "memory");
    for (size_t i = 0; i < c->piece_count; i++)
        for (size_t done = 0, n; done < c->pieces[i]; done += n) {
            size_t left = c->pieces[i] - done;
            at = at < c->source_bytes ? at : 0;
            n = left < c->source_bytes - at ? left : c->source_bytes - at;
            const unsigned char *codes = c->source + at;
            float *out = c->target + done;
            for (size_t k = 0; k < n; k++)
                out[k] = table[codes[k]];
            __asm__ volatile("" : : "r"(out) : "memory");
            at += n;
        }
}

/* ---- products ---- */

static void multiply(void *context)
{
    struct qb_ceilings *c = context;
    const struct shape *s = &c->shape;
    qb_gemm_one_nt(c->tokens, s->rows, s->cols, 1.0f, c->a, s->cols, c->b, s->cols, c->c, s->rows);
}

static void multiply_tiles(void *context)
{
    struct qb_ceilings *c = context;
    const struct shape *s = &c->shape;
    qb_gemm_nt(c->pool, c->tokens, s->rows, s->cols, c->a, s->cols, c->b, c->c, s->rows);
}

/* Each product once, in tiles over the threads or by one call of OpenBLAS: few tokens go faster in tiles that OpenBLAS
 * has a small kernel for, and several threads only so. */
static void time_products(struct qb_ceilings *c, bool tiles)
{
    for (size_t i = 0; i < c->shape_count; i++) {
        c->shape = c->shapes[i];
        c->shapes[i].seconds = fmin(c->shape.seconds, time_call(tiles ? multiply_tiles : multiply, c));
    }
}

static double sgemm_gflops(const struct qb_ceilings *c)
{
    double seconds = 0;
    for (size_t i = 0; i < c->shape_count; i++)
        seconds += (double)c->shapes[i].count * c->shapes[i].seconds;
    return c->flop / seconds / 1e9;
}

static void decode_all(void *context)
{
    struct qb_ceilings *c = context;
    qb_stored_decode((void *)(uintptr_t)c->stored);
}

/* Decoding and writing the same number of bytes alternate, so that what slows the machine for longer slows both and
 * their ratio holds. */
void qb_ceilings_measure(struct qb_ceilings *c, struct qb_ceiling_rates *rates)
{
    double decode = INFINITY, copied = INFINITY, looked = INFINITY, read = INFINITY, filled = INFINITY;
    const double start = qb_clock();
    for (size_t i = 0; i < c->shape_count; i++)
        c->shapes[i].seconds = INFINITY;
    for (size_t turn = 0; turn < TURNS && (turn == 0 || qb_clock() - start < TURNS_S); turn++) {
        if (qb_stored_count(c->stored))
            decode = fmin(decode, time_call(decode_all, c));
        looked = fmin(looked, time_call(lookup, c));
        filled = fmin(filled, time_call(fill, c));
        copied = fmin(copied, time_call(copy, c));
        read = fmin(read, time_read(c->read));
        time_products(c, turn % 2 == 0);
    }
    *rates = (struct qb_ceiling_rates){.read_gbs = read_bytes(c->read) / read / 1e9,
                                       .store_gbs = (double)c->copied / filled / 1e9,
                                       .memcpy_gbs = (double)c->copied / copied / 1e9,
                                       .lookup_gbs = (double)c->copied / looked / 1e9,
                                       .sgemm_gflops = sgemm_gflops(c),
                                       .weight_decode_s = isfinite(decode) ? decode : NAN};
}

/* ---- working sets ---- */

static size_t at_most(size_t value, size_t bound)
{
    return value < bound ? value : bound;
}

/* The tensors that decoding writes; of a variant that stores none, the FP32 weights that a step reads stand in. */
static enum qb_status make_pieces(struct qb_ceilings *c, struct qb_error *err)
{
    const struct qb_stored *st = c->stored;
    size_t most = QB_CEILING_MOST / sizeof(float), stored = qb_stored_bytes(st);
    c->piece_count = qb_stored_count(st) ? qb_stored_count(st) : 1;
    c->pieces = qb_alloc(c->piece_count, sizeof *c->pieces, "the copy ceiling's sizes", err);
    for (size_t i = 0; c->pieces && i < c->piece_count; i++) {
        c->pieces[i] = at_most(qb_stored_count(st) ? qb_stored_values(st, i) : c->read->count, most);
        c->target_count = c->pieces[i] > c->target_count ? c->pieces[i] : c->target_count;
        c->copied += c->pieces[i] * sizeof(float);
    }
    c->source_bytes = at_most(stored ? stored : c->read->count * sizeof(float), QB_CEILING_MOST);
    c->source = qb_alloc(c->source_bytes, 1, "the copy ceiling's source", err);
    c->target = qb_alloc(c->target_count, sizeof *c->target, "the copy ceiling's target", err);
    for (size_t i = 0; c->source && i < c->source_bytes; i++)
        c->source[i] = (unsigned char)(i * 167 + i / 251);
    return c->pieces && c->source && c->target ? QB_OK : err->status;
}

static void add_shape(struct qb_ceilings *c, size_t rows, size_t cols)
{
    size_t i = 0;
    while (i < c->shape_count && (c->shapes[i].rows != rows || c->shapes[i].cols != cols))
        i++;
    if (i == SHAPES)
        return;
    if (i == c->shape_count)
        c->shapes[c->shape_count++] = (struct shape){.rows = rows, .cols = cols};
    c->shapes[i].count++;
    c->flop += 2 * (double)c->tokens * (double)rows * (double)cols;
}

static enum qb_status make_products(struct qb_ceilings *c, struct qb_net *fp32, size_t tokens, struct qb_error *err)
{
    const struct qb_tensor *t;
    size_t a = 1, b = 1, out = 1;
    c->tokens = at_most(tokens, TOKENS);
    for (size_t i = 0; qb_net_linear(fp32, i, &t); i++)
        if (!(t->roles & (QB_ROLE_EMBED | QB_ROLE_HEAD)))
            add_shape(c, t->rows, t->cols);
    for (size_t i = 0; i < c->shape_count; i++) {
        const struct shape *s = &c->shapes[i];
        a = s->cols > a ? s->cols : a;
        out = s->rows > out ? s->rows : out;
        b = s->rows * s->cols > b ? s->rows * s->cols : b;
    }
    c->a = qb_alloc(c->tokens * a, sizeof *c->a, "sgemm matrices", err);
    c->b = qb_alloc(b, sizeof *c->b, "sgemm matrices", err);
    c->c = qb_alloc(c->tokens * out, sizeof *c->c, "sgemm matrices", err);
    if (!c->a || !c->b || !c->c)
        return err->status;
    for (size_t i = 0; i < c->tokens * a; i++)
        c->a[i] = cosf((float)i);
    for (size_t i = 0; i < b; i++)
        c->b[i] = (float)(i % 251) - 125;
    return QB_OK;
}

enum qb_status qb_ceilings_create(const struct qb_cell_env *env, struct qb_net *fp32, const struct qb_stored *stored,
                                  double bytes, size_t tokens, struct qb_ceilings **ceilings, struct qb_error *err)
{
    struct qb_ceilings *c = *ceilings = qb_alloc(1, sizeof *c, "ceilings", err);
    if (!c)
        return err->status;
    c->pool = env->pool;
    c->stored = stored;
    if (qb_read_ceiling_create(c->pool, bytes, &c->read, err) || make_pieces(c, err))
        return err->status;
    return make_products(c, fp32, tokens, err);
}

void qb_ceilings_free(struct qb_ceilings *c)
{
    if (!c)
        return;
    qb_read_ceiling_free(c->read);
    void *owned[] = {c->source, c->target, c->pieces, c->a, c->b, c->c};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        qb_free(owned[i]);
    qb_free(c);
}

enum qb_status qb_ceilings_record(const struct qb_ceilings *c, struct qb_record *out, struct qb_error *err)
{
    struct {
        const char *name, *unit, *description;
        double value;
    } list[] = {{"read_bytes", "bytes", "the read ceiling's working set", read_bytes(c->read)},
                {"memcpy_bytes", "bytes", "the memcpy ceiling copies this many bytes a pass", (double)c->copied},
                {"memcpy_source_bytes", "bytes", "working set that memcpy and lookup read", (double)c->source_bytes},
                {"memcpy_target_bytes", "bytes", "and write", (double)(c->target_count * sizeof(float))},
                {"sgemm_flop", "flop", "the sgemm ceiling: the products of a prefill of at most 512 tokens", c->flop}};
    for (size_t i = 0; i < sizeof list / sizeof *list && !err->status; i++)
        qb_record_f64(out, list[i].name, list[i].value, list[i].unit, list[i].description, err);
    return err->status;
}
