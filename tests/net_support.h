/* What tests of models and variants share: the shipped data and the plugins of this build, a pool, and a small greedy
 * loop that drives a net directly. */
#ifndef QB_TEST_NET_SUPPORT_H
#define QB_TEST_NET_SUPPORT_H

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <criterion/criterion.h>
#include "base/cpu.h"
#include "base/mem.h"
#include "base/rng.h"
#include "codec/variant.h"
#include "model/calibrate.h"
#include "model/decoder.h"
#include "tensor_floats.h"

#define MUST(call) cr_assert(!(call), "%s: %s", #call, err.message)

/* The registry over this build's plugins: a test program lies in <build>/tests/<tier>/. Also points the program at the
 * tree's data folder (tests run from the repository's root). */
static inline struct qb_registry *support_registry(void)
{
    char folder[PATH_MAX], codecs[PATH_MAX + 32];
    struct qb_error err = {0};
    ssize_t size = readlink("/proc/self/exe", folder, sizeof folder - 1);
    cr_assert_gt(size, 0);
    folder[size] = '\0';
    *strrchr(folder, '/') = '\0';
    snprintf(codecs, sizeof codecs, "%s/../../codecs", folder);
    setenv("QINSBENCH_DATA", "data", 0);
    const char *const folders[] = {codecs, NULL};
    struct qb_registry *registry = NULL;
    MUST(qb_registry_open(folders, NULL, &registry, &err));
    cr_assert_gt(qb_registry_count(registry), 0, "no plugins in %s: make codecs", codecs);
    qb_blas_init();
    return registry;
}

static inline struct qb_variant *support_variant(const struct qb_registry *registry, const char *name)
{
    struct qb_error err = {0};
    struct qb_variant *variant = NULL;
    MUST(qb_variant_builtin(name, registry, qb_cpu()->isa, &variant, &err));
    return variant;
}

static inline struct qb_pool *support_pool(unsigned threads)
{
    struct qb_error err = {0};
    struct qb_pool *pool = NULL;
    MUST(qb_pool_create(threads, &pool, &err));
    return pool;
}

static inline struct qb_model *support_model(const char *generator, size_t vocab, size_t hidden, size_t layers,
                                             uint32_t seed)
{
    struct qb_error err = {0};
    struct qb_model *model = NULL;
    MUST(qb_model_generate(generator, &(struct qb_generator_options){vocab, hidden, layers, seed}, &model, &err));
    return model;
}

/* A small model with every feature: attention, causal or not, positions, norms. Weights from the generator. */
static inline struct qb_model *support_small(const char *generator, bool causal)
{
    struct qb_model *model = support_model(generator, 50, 24, 2, 3);
    model->arch.causal = causal;
    model->arch.heads = causal ? 3 : 1;
    for (size_t t = 0; t < model->tensor_count; t++)
        for (size_t i = 0; i < model->tensors[t].rows * model->tensors[t].cols; i++)
            tensor_floats(&model->tensors[t])[i] *= model->tensors[t].roles & QB_ROLE_NORM ? 1.0f : 8.0f;
    return model;
}

static inline void support_tokens(int32_t *tokens, size_t n, uint32_t seed)
{
    struct qb_rng rng;
    qb_rng_seed(&rng, seed);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)qb_rng_randint(&rng, 50);
}

static inline struct qb_net *support_net(const struct qb_model *model, const struct qb_variant *variant,
                                         const struct qb_calibration_data *calibration, struct qb_pool *pool)
{
    struct qb_error err = {0};
    struct qb_net *net = NULL;
    MUST(qb_net_prepare(model, variant, calibration, pool, &net, &err));
    return net;
}

static inline int32_t support_argmax(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return (int32_t)best;
}

/* tokens[steps] after prompt[length]; logits of every step in logits[steps, vocab] when it is not NULL. */
static inline void support_greedy(struct qb_net *net, const int32_t *prompt, size_t length, size_t steps,
                                  int32_t *tokens, float *logits)
{
    struct qb_error err = {0};
    struct qb_decoder *decoder = NULL;
    const struct qb_arch *arch = &qb_net_model(net)->arch;
    float *hidden = qb_alloc(arch->hidden, sizeof *hidden, "hidden", &err);
    float *one = qb_alloc(arch->vocab, sizeof *one, "logits", &err);
    MUST(qb_decoder_create(net, 1, length + steps, &decoder, &err));
    for (size_t i = 0; i < steps; i++) {
        float *out = logits ? logits + i * arch->vocab : one;
        MUST(qb_decoder_feed(decoder, i ? &tokens[i - 1] : prompt, i ? 1 : length, hidden, &err));
        MUST(qb_net_logits(net, hidden, 1, out, &err));
        tokens[i] = support_argmax(out, arch->vocab);
    }
    qb_decoder_free(decoder);
    qb_free(hidden);
    qb_free(one);
}

/* KL(softmax p || softmax q) in nat, in double; the difference of the two log-probabilities is formed from logit
 * differences so that divergences of 1e-14 are resolved. */
static inline double support_kl(const float *p, const float *q, size_t n)
{
    double max = (double)p[0], sum = 0, moment = 0, kl = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, (double)p[i]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)p[i] - max);
    /* d = q - p; log E_p[exp d] - E_p[d], with d centred so that expm1 keeps the digits */
    for (size_t i = 0; i < n; i++)
        moment += exp((double)p[i] - max) / sum * ((double)q[i] - (double)p[i]);
    for (size_t i = 0; i < n; i++)
        kl += exp((double)p[i] - max) / sum *
              (expm1((double)q[i] - (double)p[i] - moment) - ((double)q[i] - (double)p[i] - moment));
    return log1p(kl);
}

/* How many of the ten largest of a and b are shared. */
static inline unsigned support_overlap10(const float *a, const float *b, size_t n)
{
    const float *const side[2] = {a, b};
    size_t top[2][10];
    for (size_t s = 0; s < 2; s++)
        for (size_t k = 0; k < 10; k++) {
            size_t best = n;
            for (size_t i = 0; i < n; i++) {
                bool taken = false;
                for (size_t j = 0; j < k; j++)
                    taken = taken || top[s][j] == i;
                if (!taken && (best == n || side[s][i] > side[s][best]))
                    best = i;
            }
            top[s][k] = best;
        }
    unsigned shared = 0;
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 10; j++)
            shared += top[0][i] == top[1][j];
    return shared;
}

#endif
