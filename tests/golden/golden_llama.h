/* A golden file beside tiny-llama, two threads and this build's plugins: what a suite begins and ends with. */
#ifndef QB_TEST_GOLDEN_LLAMA_H
#define QB_TEST_GOLDEN_LLAMA_H

#include "golden_numbers.h"
#include "net_support.h"

static struct qb_pool *pool;
static struct qb_registry *registry;
static struct qb_model *model;
static json_t *golden;

static inline void golden_llama_begin(const char *path)
{
    struct qb_error err = {0};
    registry = support_registry();
    pool = support_pool(2);
    golden = golden_open(path);
    MUST(qb_model_open("data/models/tiny-llama", registry, qb_cpu()->isa, &model, &err));
}

static inline void golden_llama_end(void)
{
    qb_model_free(model);
    json_decref(golden);
    qb_pool_free(pool);
    qb_registry_free(registry);
}

#endif
