/* bench: the kernels at every instruction set level beside the portable ones, on a row in the first-level cache. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench_probe.h"
#include "compute/kernels.h"

enum { COLS = 1024, TIMES = 64, KERNELS = 22, LEVELS = QB_ISA_AMX + 1 }; /* a call: one row, so many times */
enum { DOTS = 10 };                                                      /* bench_dots.c has these */
_Static_assert(sizeof(struct qb_kernels) == (KERNELS - 2 + DOTS) * sizeof(void (*)(void)),
               "a new kernel has its line in kernels[], those of BF16 terms one for each number of terms");

struct row {
    float x[COLS], y[COLS], scale[COLS], out[COLS];
    uint16_t tiles[QB_SPLIT_TERMS * COLS], turned[QB_SPLIT_TERMS * COLS]; /* 16 rows, 16 inputs of 64 columns */
    uint16_t split[QB_SPLIT_TERMS * COLS];                                /* what is split when timed */
    double sum;                                                           /* keeps results alive */
};

struct kernel_probe {
    void (*run)(const struct qb_kernels *kernels, struct row *row);
    const struct qb_kernels *kernels;
    struct row *row;
};

struct qb_bench_kernels {
    struct row row;
    struct kernel_probe probes[KERNELS][LEVELS];
};

static void layernorm(const struct qb_kernels *k, struct row *r)
{
    k->layernorm(r->x, COLS, r->scale, r->y, 1e-5f, r->out);
}

static void rmsnorm(const struct qb_kernels *k, struct row *r)
{
    k->rmsnorm(r->x, COLS, r->scale, 0, 1e-5f, r->out);
}

static void relu(const struct qb_kernels *k, struct row *r)
{
    k->relu(r->out, COLS);
}

static void gelu(const struct qb_kernels *k, struct row *r)
{
    k->gelu(r->out, COLS);
}

static void gelu_tanh(const struct qb_kernels *k, struct row *r)
{
    k->gelu_tanh(r->out, COLS);
}

static void silu(const struct qb_kernels *k, struct row *r)
{
    k->silu(r->out, COLS);
}

static void softcap(const struct qb_kernels *k, struct row *r)
{
    k->softcap(r->out, COLS, 30);
}

static void add(const struct qb_kernels *k, struct row *r)
{
    k->add(r->out, r->y, COLS);
}

static void multiply(const struct qb_kernels *k, struct row *r)
{
    k->multiply(r->out, r->scale, COLS);
}

static void affine(const struct qb_kernels *k, struct row *r)
{
    k->affine(r->out, COLS, r->scale, r->y);
}

static void softmax(const struct qb_kernels *k, struct row *r)
{
    k->softmax(r->out, COLS);
}

static void max(const struct qb_kernels *k, struct row *r)
{
    bool nan;
    r->sum += (double)k->max(r->x, COLS, &nan);
}

static void find(const struct qb_kernels *k, struct row *r)
{
    r->sum += (double)k->find(r->x, COLS, 0, INFINITY);
}

static void sum_exp(const struct qb_kernels *k, struct row *r)
{
    r->sum += k->sum_exp(r->x, COLS, 10);
}

static void sum_expf(const struct qb_kernels *k, struct row *r)
{
    r->sum += k->sum_expf(r->x, COLS, 10);
}

static void sum_power(const struct qb_kernels *k, struct row *r)
{
    r->sum += k->sum_power(r->x, COLS, 0.1, 2);
}

static void kl_sums(const struct qb_kernels *k, struct row *r)
{
    r->sum += k->kl_sums(r->x, r->y, COLS, 0).w;
}

static void gemv(const struct qb_kernels *k, struct row *r)
{
    k->gemv(r->x, 4, COLS / 4, r->scale, r->out);
}

static void split(const struct qb_kernels *k, struct row *r)
{
    k->split(3, r->x, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, true, r->split);
}

static void split2(const struct qb_kernels *k, struct row *r)
{
    k->split(2, r->x, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, true, r->split);
}

static void split_dots(const struct qb_kernels *k, struct row *r)
{
    k->split_dots(3, r->tiles, QB_SPLIT_ROWS, r->turned, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, r->out, QB_SPLIT_ROWS,
                  NULL, 0);
}

/* The same tiles taken for those of two terms: numbers like others. */
static void split2_dots(const struct qb_kernels *k, struct row *r)
{
    k->split_dots(2, r->tiles, QB_SPLIT_ROWS, r->turned, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, r->out, QB_SPLIT_ROWS,
                  NULL, 0);
}

static const struct {
    const char *name;
    void (*run)(const struct qb_kernels *kernels, struct row *row);
} kernels[KERNELS] = {{"layernorm", layernorm}, {"rmsnorm", rmsnorm},
                      {"relu", relu},           {"gelu", gelu},
                      {"gelu_tanh", gelu_tanh}, {"silu", silu},
                      {"softcap", softcap},     {"add", add},
                      {"multiply", multiply},   {"affine", affine},
                      {"softmax", softmax},     {"max", max},
                      {"find", find},           {"sum_exp", sum_exp},
                      {"sum_expf", sum_expf},   {"sum_power", sum_power},
                      {"kl_sums", kl_sums},     {"gemv", gemv},
                      {"split", split},         {"split_dots", split_dots},
                      {"split2", split2},       {"split2_dots", split2_dots}};

/* out starts anew with each call: what a kernel makes of its own results stays finite and normal so long. */
static enum qb_status call(void *context, struct qb_error *err)
{
    const struct kernel_probe *p = context;
    (void)err;
    memcpy(p->row->out, p->row->x, sizeof p->row->out);
    for (int i = 0; i < TIMES; i++)
        p->run(p->kernels, p->row);
    return QB_OK;
}

enum qb_status qb_bench_kernels(enum qb_isa top, struct qb_probes *probes, struct qb_bench_kernels **out,
                                struct qb_error *err)
{
    struct qb_rng rng;
    struct qb_bench_kernels *b = *out = qb_alloc(1, sizeof *b, "kernel probes", err);
    if (!b)
        return err->status;
    qb_rng_seed(&rng, 1);
    qb_rng_normal(&rng, 0, 1, b->row.x, COLS);
    qb_rng_normal(&rng, 0, 1, b->row.y, COLS);
    qb_rng_normal(&rng, 1, 0.3f, b->row.scale, COLS);
    qb_kernels()->split(3, b->row.x, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, false, b->row.tiles);
    qb_kernels()->split(3, b->row.y, QB_SPLIT_ROWS, COLS / QB_SPLIT_ROWS, true, b->row.turned);
    for (size_t k = 0; k < KERNELS; k++)
        for (int isa = QB_ISA_PORTABLE; isa <= (int)top; isa++) {
            struct qb_probe *probe = qb_probes_add(probes, err);
            if (!probe)
                return err->status;
            b->probes[k][isa] = (struct kernel_probe){kernels[k].run, qb_kernels_at((enum qb_isa)isa), &b->row};
            snprintf(probe->group, sizeof probe->group, "kernel");
            snprintf(probe->name, sizeof probe->name, "%s", kernels[k].name);
            snprintf(probe->detail, sizeof probe->detail, "%s", qb_isa_name((enum qb_isa)isa));
            probe->unit = "Gvalue/s";
            probe->work = (double)COLS * TIMES;
            probe->call = call;
            probe->context = &b->probes[k][isa];
            probe->ceiling = probes->count - 1 - (size_t)isa; /* the portable one */
        }
    return QB_OK;
}

void qb_bench_kernels_free(struct qb_bench_kernels *b)
{
    qb_free(b);
}
