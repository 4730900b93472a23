/* memory along a generation: what is counted in weights, cache and working memory, and what the process has, every so
 * many tokens. What grows and is not counted is seen in the difference. */
#include <malloc.h>

#include "base/mem.h"
#include "memory_parts.h"

enum { POSITION, WEIGHTS, CACHE, SCRATCH, ACCOUNTED, RSS, ARRAYS };
static const struct {
    const char *name, *unit, *description;
} arrays[ARRAYS] = {
    {"generation_position", "positions", "positions in the cache at each sample"},
    {"generation_weight_bytes", "bytes", "what must be in memory for the weights"},
    {"generation_cache_bytes", "bytes", "keys and values of the positions that are there, as kept"},
    {"generation_scratch_bytes", "bytes", "working memory of the steps so far"},
    {"generation_accounted_bytes", "bytes", "all buffers that the program asked for, the unused room of the cache too"},
    {"generation_rss", "bytes", "resident set, page by page"},
};

struct generation {
    struct qb_net *net;
    struct qb_kv *kv;
    size_t steps, every, weights;
    float *hidden, *logits;
    int64_t *values[ARRAYS];
    size_t samples; /* so far */
};

static bool sampled(const struct generation *g, size_t position)
{
    return position == 1 || position % g->every == 0 || position == g->steps;
}

static enum qb_status add_arrays(struct generation *g, struct qb_record *out, struct qb_error *err)
{
    size_t n = 0;
    for (size_t position = 1; position <= g->steps; position++)
        n += sampled(g, position);
    for (size_t i = 0; i < ARRAYS && !err->status; i++)
        g->values[i] = qb_record_add(out, arrays[i].name, QB_I64, 1, &n, arrays[i].unit, arrays[i].description, err);
    return err->status;
}

static void sample(struct generation *g)
{
    const size_t values[ARRAYS] = {g->kv->length,
                                   g->weights,
                                   qb_kv_held_bytes(g->kv),
                                   qb_net_working_bytes(g->net, g->kv) + qb_size_of(g->hidden) + qb_size_of(g->logits),
                                   qb_mem_stats().live_bytes,
                                   qb_rss_exact_bytes()};
    for (size_t i = 0; i < ARRAYS; i++)
        g->values[i][g->samples] = (int64_t)values[i];
    g->samples++;
}

/* Reads every row of the embedding and of the position vectors once: pages of a mapped file that come in with a token's
 * row, or a position's, are none of the growth. */
static enum qb_status touch_rows(struct generation *g, struct qb_error *err)
{
    const struct qb_model *model = qb_net_model(g->net);
    for (size_t i = 0; i < model->arch.vocab && !err->status; i++)
        qb_linear_rows(qb_net_linear(g->net, 0, NULL), i, 1, g->hidden, err);
    for (size_t t = 0; t < model->tensor_count; t++)
        for (size_t i = 0; model->tensors[t].roles & QB_ROLE_POSITION && i < model->tensors[t].size; i += 512)
            (void)((const volatile char *)model->tensors[t].bytes)[i];
    return err->status;
}

/* Greedy from token 0: which tokens come makes no difference to what memory they take. */
static enum qb_status generate(struct generation *g, struct qb_error *err)
{
    const size_t vocab = qb_net_model(g->net)->arch.vocab;
    int32_t token = 0;
    const struct qb_step step = {.tokens = &token, .batch = 1, .n = 1, .kept = 1};
    for (size_t position = 1; position <= g->steps; position++) {
        if (qb_net_step(g->net, g->kv, &step, g->hidden, err) || qb_net_logits(g->net, g->hidden, 1, g->logits, err))
            return err->status;
        token = qb_argmax(g->logits, vocab);
        if (token < 0)
            return qb_fail(err, QB_ERR_NUMERIC, "a logit behind position %zu is NaN", position - 1);
        if (sampled(g, position))
            sample(g);
    }
    return QB_OK;
}

enum qb_status qb_memory_generation(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_arch *arch = &env->model->arch;
    const char *reason = qb_arch_no_kv(&env->model->arch);
    struct generation g = {.net = env->prepared->net,
                           .steps = (size_t)env->options[QB_MEMORY_STEPS].i,
                           .every = (size_t)env->options[QB_MEMORY_EVERY].i};
    if (reason)
        return qb_record_text(out, "generation_note", &reason, 1, "why no generation was measured", err);
    if (arch->context && g.steps > arch->context)
        return qb_fail(err, QB_ERR_INPUT, "%zu steps: model %s has %zu positions", g.steps, env->model->name,
                       arch->context);
    qb_net_drop_working(g.net); /* of whatever came before */
    malloc_trim(0);
    g.hidden = qb_alloc(arch->hidden, sizeof *g.hidden, "hidden state", err);
    g.logits = qb_alloc(arch->vocab, sizeof *g.logits, "logits", err);
    if (!g.hidden || !g.logits || add_arrays(&g, out, err) || qb_memory_held(g.net, &g.weights, err) ||
        qb_net_kv(g.net, 1, g.steps, 1, &g.kv, err) ||
        qb_record_i64(out, "generation_block", (int64_t)g.kv->options.block, "positions", "so many are encoded at once",
                      err) ||
        qb_record_i64(out, "generation_page_bytes", (int64_t)(qb_kv_pieces(g.kv) * qb_page_bytes()), "bytes",
                      "the pages that the cache's pieces, each filling from its start, may have begun", err) ||
        touch_rows(&g, err))
        goto out;
    generate(&g, err);
out:
    qb_kv_free(g.kv);
    qb_free(g.logits);
    qb_free(g.hidden);
    return err->status;
}
