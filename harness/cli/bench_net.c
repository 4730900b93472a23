/* bench: the matrix products of the source's transformer, plain OpenBLAS beside the harness, and its forward pass. */
#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "bench_probe.h"
#include "compute/linear.h"
#include "model/net.h"

#define TOKENS 256
#define SQUARE 768

struct gemm {
    size_t m, n, k;
    const float *a, *b;
    float *c;
    struct qb_pool *pool;
};

struct qb_bench_net {
    struct qb_model *model;
    struct qb_pool *pool;
    struct qb_net *net;
    int32_t tokens[TOKENS];
    float *hidden;
    float *a, *b, *c; /* operands of the products */
    struct gemm gemms[5];
};

static void plain(const struct gemm *g)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)g->m, (int)g->n, (int)g->k, 1.0f, g->a, (int)g->k, g->b,
                (int)g->k, 0.0f, g->c, (int)g->n);
}

static enum qb_status call_plain(void *context, struct qb_error *err)
{
    (void)err;
    plain(context);
    return QB_OK;
}

static enum qb_status call_ours(void *context, struct qb_error *err)
{
    const struct gemm *g = context;
    (void)err;
    qb_sgemm_nt(g->pool, g->m, g->n, g->k, g->a, g->b, g->c, g->n);
    return QB_OK;
}

/* The layers' products one after the other, without anything between them: what a forward pass can reach. */
static enum qb_status call_layer(void *context, struct qb_error *err)
{
    struct qb_bench_net *b = context;
    (void)err;
    for (size_t i = 0; i < 4; i++)
        plain(&b->gemms[i]);
    return QB_OK;
}

static enum qb_status call_forward(void *context, struct qb_error *err)
{
    struct qb_bench_net *b = context;
    return qb_net_forward(b->net, b->tokens, 1, TOKENS, b->hidden, err);
}

static struct qb_probe *add(struct qb_probes *probes, const char *group, const char *name, double flop,
                            enum qb_status (*call)(void *, struct qb_error *), void *context, struct qb_error *err)
{
    struct qb_probe *probe = qb_probes_add(probes, err);
    if (!probe)
        return NULL;
    snprintf(probe->group, sizeof probe->group, "%s", group);
    snprintf(probe->name, sizeof probe->name, "%s", name);
    snprintf(probe->detail, sizeof probe->detail, "%s", qb_blas_core());
    probe->unit = "GFLOPS";
    probe->work = flop;
    probe->call = call;
    probe->context = context;
    return probe;
}

static enum qb_status add_products(struct qb_bench_net *b, struct qb_probes *probes, struct qb_error *err)
{
    static const struct {
        const char *name;
        size_t n, k;
    } shapes[5] = {{"qkv", 768, 256}, {"out", 256, 256}, {"up", 1024, 256}, {"down", 256, 1024}, {"head", 5000, 256}};
    for (size_t i = 0; i < 5; i++) {
        char name[48];
        b->gemms[i] = (struct gemm){TOKENS, shapes[i].n, shapes[i].k, b->a, b->b, b->c, b->pool};
        double flop = 2.0 * TOKENS * (double)shapes[i].n * (double)shapes[i].k;
        size_t ceiling = probes->count;
        snprintf(name, sizeof name, "OpenBLAS %s %dx%zux%zu", shapes[i].name, TOKENS, shapes[i].n, shapes[i].k);
        if (!add(probes, "sgemm", name, flop, call_plain, &b->gemms[i], err))
            return err->status;
        snprintf(name, sizeof name, "qb_sgemm_nt %s %dx%zux%zu", shapes[i].name, TOKENS, shapes[i].n, shapes[i].k);
        struct qb_probe *probe = add(probes, "sgemm", name, flop, call_ours, &b->gemms[i], err);
        if (!probe)
            return err->status;
        probe->ceiling = ceiling;
    }
    return QB_OK;
}

static enum qb_status add_forward(struct qb_bench_net *b, struct qb_probes *probes, struct qb_error *err)
{
    const struct qb_arch *arch = &b->model->arch;
    double layer = 2.0 * TOKENS * (768.0 * 256 + 256.0 * 256 + 2 * 1024.0 * 256);
    double attention = 4.0 * TOKENS * TOKENS * (double)arch->hidden; /* q k^T and its product with v */
    size_t ceiling = probes->count;
    if (!add(probes, "forward", "OpenBLAS, a layer's products", layer, call_layer, b, err))
        return err->status;
    struct qb_probe *probe = add(probes, "forward", "prefill of 256 tokens, FP32",
                                 (double)arch->layers * (layer + attention), call_forward, b, err);
    if (!probe)
        return err->status;
    probe->ceiling = ceiling;
    return QB_OK;
}

enum qb_status qb_bench_net(unsigned threads, struct qb_probes *probes, struct qb_bench_net **out, struct qb_error *err)
{
    const struct qb_generator_options options = {.vocab = 5000, .hidden = 256, .layers = 3, .seed = 42};
    struct qb_bench_net *b = qb_alloc(1, sizeof *b, "forward probe", err);
    *out = b;
    if (!b)
        return err->status;
    qb_blas_init();
    b->a = qb_alloc((size_t)TOKENS * 1024, sizeof *b->a, "matrix", err);
    b->b = qb_alloc((size_t)5000 * 256, sizeof *b->b, "matrix", err);
    b->c = qb_alloc((size_t)TOKENS * 5000, sizeof *b->c, "matrix", err);
    b->hidden = qb_alloc((size_t)TOKENS * 256, sizeof *b->hidden, "hidden states", err);
    if (!b->a || !b->b || !b->c || !b->hidden || qb_model_generate("transformer", &options, &b->model, err) ||
        qb_pool_create(threads, &b->pool, err) || qb_net_create(b->model, NULL, b->pool, &b->net, err))
        return err->status;
    struct qb_rng rng = b->model->rng;
    qb_rng_normal(&rng, 0, 1, b->a, (size_t)TOKENS * 1024);
    qb_rng_normal(&rng, 0, 1, b->b, (size_t)5000 * 256);
    for (size_t i = 0; i < TOKENS; i++)
        b->tokens[i] = (int32_t)qb_rng_randint(&rng, 5000);
    return add_products(b, probes, err) ? err->status : add_forward(b, probes, err);
}

void qb_bench_net_free(struct qb_bench_net *b)
{
    if (!b)
        return;
    qb_net_free(b->net);
    qb_pool_free(b->pool);
    qb_model_free(b->model);
    qb_free(b->a);
    qb_free(b->b);
    qb_free(b->c);
    qb_free(b->hidden);
    qb_free(b);
}

enum qb_status qb_bench_square(double *gflops, struct qb_error *err)
{
    struct qb_probes probes = {.repeats = 10};
    struct qb_rng rng;
    size_t n = (size_t)SQUARE * SQUARE;
    float *a = qb_alloc(n, sizeof *a, "matrix", err), *b = qb_alloc(n, sizeof *b, "matrix", err),
          *c = qb_alloc(n, sizeof *c, "matrix", err);
    struct gemm g = {SQUARE, SQUARE, SQUARE, a, b, c, NULL};
    qb_blas_init();
    qb_rng_seed(&rng, 1);
    if (a && b && c) {
        qb_rng_normal(&rng, 0, 1, a, n);
        qb_rng_normal(&rng, 0, 1, b, n);
        double flop = 2.0 * SQUARE * SQUARE * SQUARE;
        if (add(&probes, "sgemm", "square", flop, call_plain, &g, err) && !qb_probes_run(&probes, err))
            *gflops = qb_probes_rate(&probes, 0);
    }
    qb_probes_free(&probes);
    qb_free(a);
    qb_free(b);
    qb_free(c);
    return err->status;
}
