#include "compute/ceilings.h"

#include <cblas.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "compute/gemm.h"

#define TURN 5e-4    /* least seconds of a turn */
#define TURNS 12     /* of each in a measurement */
#define TURNS_S 0.03 /* unless they take longer than this together; one is always taken */
#define SHAPES 32    /* distinct products that are looked at */
#define TOKENS 512   /* rows of a product at most */

double qb_ceiling_time(void (*call)(void *), void *context)
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

bool qb_ceiling_turn(size_t turn, double start)
{
    return turn < TURNS && (turn == 0 || qb_clock() - start < TURNS_S);
}

size_t qb_beyond_caches(void)
{
    const size_t least = (size_t)256 << 20, most = (size_t)1 << 30, twice = 2 * qb_cpu()->cache;
    return twice < least ? least : twice > most ? most : twice;
}

/* ---- reading ---- */

struct qb_read_ceiling {
    struct qb_pool *pool;
    float *floats;       /* [count] */
    size_t count, parts; /* over `parts` threads */
    double *sums;        /* [parts]: what reading comes to, so that it happens */
    bool streams;        /* in several at once */
};

/* What was seen stays in registers: an array of it in memory, as compilers keep one that a loop indexes, would bound
 * the reading (by a quarter, measured). */
unsigned qb_read_streams(const void *bytes, size_t size)
{
    typedef uint64_t words __attribute__((vector_size(16)));
    const unsigned char *begin = bytes, *end = begin + size;
    const size_t part = size / QB_READ_STREAMS / 64 * 64;
    words first = {0}, second = {0}, third = {0}, fourth = {0}, line[4];
    for (size_t c = 0; c < part; c += sizeof line)
        _Pragma("GCC unroll 8") for (size_t stream = 0; stream < QB_READ_STREAMS; stream++)
        {
            memcpy(line, begin + stream * part + c, sizeof line);
            first ^= line[0];
            second ^= line[1];
            third ^= line[2];
            fourth ^= line[3];
        }
    for (const unsigned char *at = begin + QB_READ_STREAMS * part; (size_t)(end - at) >= sizeof *line;
         at += sizeof *line) {
        memcpy(line, at, sizeof *line);
        first ^= line[0];
    }
    first ^= second ^ third ^ fourth;
    return (unsigned)(first[0] ^ first[1]);
}

static void read_part(void *context, size_t index, unsigned worker)
{
    struct qb_read_ceiling *c = context;
    size_t from = c->count * index / c->parts, to = c->count * (index + 1) / c->parts;
    (void)worker;
    c->sums[index] = c->streams ? qb_read_streams(c->floats + from, (to - from) * sizeof *c->floats)
                                : (double)cblas_sasum((blasint)(to - from), c->floats + from, 1);
}

static void read_all(void *context)
{
    struct qb_read_ceiling *c = context;
    c->sums[0] = c->streams ? qb_read_streams(c->floats, c->count * sizeof *c->floats)
                            : (double)cblas_sasum((blasint)c->count, c->floats, 1);
}

static void read_parts(void *context)
{
    struct qb_read_ceiling *c = context;
    qb_pool_run(c->pool, c->parts, read_part, c);
}

/* A small set is read faster by one thread than by waking others; one in a cache in a single stream by wide vectors,
 * one in memory in several. */
double qb_read_ceiling_seconds(struct qb_read_ceiling *c)
{
    double least = INFINITY;
    for (int streams = 0; streams < 2; streams++) {
        c->streams = streams;
        least = fmin(least, qb_ceiling_time(read_all, c));
        if (c->parts > 1)
            least = fmin(least, qb_ceiling_time(read_parts, c));
    }
    return least;
}

double qb_read_ceiling_bytes(const struct qb_read_ceiling *c)
{
    return (double)(c->count * sizeof *c->floats);
}

enum qb_status qb_read_ceiling_create(struct qb_pool *pool, double bytes, struct qb_read_ceiling **ceiling,
                                      struct qb_error *err)
{
    struct qb_read_ceiling *c = *ceiling = qb_alloc(1, sizeof *c, "the read ceiling", err);
    if (!c)
        return err->status;
    double floats = fmin(bytes, (double)qb_beyond_caches()) / sizeof(float);
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
    for (size_t turn = 0; qb_ceiling_turn(turn, start); turn++)
        read = fmin(read, qb_read_ceiling_seconds(c));
    return qb_read_ceiling_bytes(c) / read / 1e9;
}

/* ---- products ---- */

struct shape {
    size_t rows, cols, count;
    double seconds; /* the fastest so far */
};

struct qb_product_ceiling {
    struct qb_pool *pool;
    struct shape shapes[SHAPES], shape; /* shape: the one being timed */
    size_t shape_count, tokens;
    float *a, *b, *c; /* operands of the largest product */
    double flop;      /* of all shapes, each `count` times */
};

static void multiply(void *context)
{
    struct qb_product_ceiling *c = context;
    const struct shape *s = &c->shape;
    qb_gemm_one_nt(c->tokens, s->rows, s->cols, 1.0f, c->a, s->cols, c->b, s->cols, c->c, s->rows);
}

static void multiply_tiles(void *context)
{
    struct qb_product_ceiling *c = context;
    const struct shape *s = &c->shape;
    qb_gemm_nt(c->pool, c->tokens, s->rows, s->cols, c->a, s->cols, c->b, c->c, s->rows);
}

enum qb_status qb_product_ceiling_create(struct qb_pool *pool, size_t tokens, struct qb_product_ceiling **ceiling,
                                         struct qb_error *err)
{
    struct qb_product_ceiling *c = *ceiling = qb_alloc(1, sizeof *c, "the ceiling of products", err);
    if (!c)
        return err->status;
    c->pool = pool;
    c->tokens = tokens < TOKENS ? tokens : TOKENS;
    return QB_OK;
}

void qb_product_ceiling_add(struct qb_product_ceiling *c, size_t rows, size_t cols)
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

enum qb_status qb_product_ceiling_fill(struct qb_product_ceiling *c, struct qb_error *err)
{
    size_t a = 1, b = 1, out = 1;
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

void qb_product_ceiling_free(struct qb_product_ceiling *c)
{
    if (!c)
        return;
    qb_free(c->a);
    qb_free(c->b);
    qb_free(c->c);
    qb_free(c);
}

double qb_product_ceiling_flop(const struct qb_product_ceiling *c)
{
    return c->flop;
}

void qb_product_ceiling_reset(struct qb_product_ceiling *c)
{
    for (size_t i = 0; i < c->shape_count; i++)
        c->shapes[i].seconds = INFINITY;
}

void qb_product_ceiling_turn(struct qb_product_ceiling *c, bool tiles)
{
    for (size_t i = 0; i < c->shape_count; i++) {
        c->shape = c->shapes[i];
        c->shapes[i].seconds = fmin(c->shape.seconds, qb_ceiling_time(tiles ? multiply_tiles : multiply, c));
    }
}

double qb_product_ceiling_gflops(const struct qb_product_ceiling *c)
{
    double seconds = 0;
    for (size_t i = 0; i < c->shape_count; i++)
        seconds += (double)c->shapes[i].count * c->shapes[i].seconds;
    return c->flop / seconds / 1e9;
}

double qb_product_ceiling_measure(struct qb_product_ceiling *c)
{
    const double start = qb_clock();
    qb_product_ceiling_reset(c);
    for (size_t turn = 0; qb_ceiling_turn(turn, start); turn++)
        qb_product_ceiling_turn(c, turn % 2 == 0);
    return qb_product_ceiling_gflops(c);
}
