/* An experiment run on a model in memory, as a worker runs it: the model's weights may be changed in between. */
#ifndef QB_TEST_EXPERIMENT_BENCH_H
#define QB_TEST_EXPERIMENT_BENCH_H

#include "unit/suite_fixture.h"
#include "run/inputs.h"
#include "tensor_floats.h"

/* A suite's experiment on one of its models; reference and run as a worker calls them. */
struct bench {
    struct qb_suite *suite;
    struct qb_model *model;
    struct qb_inputs inputs;
    struct qb_pool *pool;
    struct qb_record reference;
    struct qb_parts *parts[2]; /* of reference and run; NULL: none are kept */
    struct qb_shelf *shelf;    /* of the reference; NULL: none */
};

static inline struct bench bench_open(const char *text, size_t m)
{
    struct bench b = {.suite = fixture_suite(text, NULL)};
    struct qb_token_cache cache = {0};
    struct qb_error err = {0};
    const struct qb_suite_model *entry = &b.suite->models[m];
    cr_assert_eq(qb_model_generate(entry->generator, &entry->generated, &b.model, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_inputs_make(b.suite, entry, &b.suite->experiments[0], b.model, &cache, &b.inputs, &err), QB_OK,
                 "%s", err.message);
    cr_assert_eq(qb_pool_create(1, &b.pool, &err), QB_OK);
    qb_token_cache_free(&cache);
    return b;
}

static inline void bench_run(struct bench *b, size_t variant, struct qb_record *out)
{
    struct qb_error err = {0};
    const struct qb_suite_experiment *entry = &b->suite->experiments[0];
    struct qb_cell_env env = {
        .model = b->model, .inputs = &b->inputs, .options = entry->values, .pool = b->pool, .isa = QB_ISA_PORTABLE};
    qb_record_free(&b->reference);
    b->reference = (struct qb_record){0};
    env.parts = b->parts[0];
    if (entry->experiment->reference)
        cr_assert_eq(entry->experiment->reference(&env, &b->reference, &err), QB_OK, "%s", err.message);
    struct qb_prepared prepared = {0};
    env.parts = b->parts[1];
    env.shelf = b->shelf;
    env.variant = b->suite->variants[variant];
    if (entry->experiment->net) {
        cr_assert_eq(qb_cell_prepare(&env, &prepared, &err), QB_OK, "%s", err.message);
        env.prepared = &prepared;
    }
    env.reference = entry->experiment->reference ? &b->reference : NULL;
    cr_assert_eq(entry->experiment->run(&env, out, &err), QB_OK, "%s", err.message);
    qb_net_free(prepared.net);
}

static inline void bench_close(struct bench *b)
{
    qb_record_free(&b->reference);
    qb_inputs_free(&b->inputs);
    qb_pool_free(b->pool);
    qb_model_free(b->model);
    qb_suite_free(b->suite);
}

#endif
