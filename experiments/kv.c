/* kv: what keeping keys and values in a variant's formats costs along a context: the next token's distribution by
 * position, in steps over a KV cache as generation takes them, and the error of keys, values and attention by layer.
 * Memory does not grow with context x vocabulary: kept are final hidden states and the logits of a few positions. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "calibration_overlap.h"
#include "chunk_text.h"
#include "common.h"
#include "kv_layers.h"
#include "kv_memory.h"
#include "metric/logits_base.h"
#include "positions.h"

#define BLOCK QB_LOGITS_BLOCK /* positions whose logits exist at once; part of what makes two runs bitwise equal */

enum { OPTION_STEP };
static const struct qb_codec_option options[] = {
    {"step", QB_OPTION_INT, "512", 1, 65536, NULL, "positions that go through the net at once"}, {0}};

/* Calls `visit` with the final hidden states of each step of chunk c, whose last position predicts no token. */
struct walk {
    const struct qb_cell_env *env;
    struct qb_chunk_text text;
    size_t step;
    float *hidden;          /* [step, H] */
    int64_t *kv_bytes;      /* keys and values of the last chunk, as kept; or NULL */
    double *position_bytes; /* and of one position once encoded */
    size_t working_bytes;   /* working memory beside them */
    bool walked;            /* a chunk went through here, and not all came from parts */
};

typedef enum qb_status step_visit(void *context, size_t first, size_t n, const float *hidden, struct qb_error *err);

static enum qb_status open_walk(const struct qb_cell_env *env, struct walk *walk, struct qb_error *err)
{
    *walk = (struct walk){.env = env};
    if (qb_chunk_text_open(env, "kv", &walk->text, err))
        return err->status;
    walk->step = (size_t)env->options[OPTION_STEP].i;
    if (walk->step > walk->text.context - 1)
        walk->step = walk->text.context - 1;
    walk->hidden = qb_alloc(walk->step * env->model->arch.hidden, sizeof *walk->hidden, "hidden states", err);
    return err->status;
}

static void close_walk(struct walk *walk)
{
    qb_free(walk->hidden);
    qb_chunk_text_close(&walk->text);
}

static size_t scored_of(const struct walk *walk)
{
    return walk->text.context - 1;
}

static enum qb_status walk_chunk(struct walk *walk, struct qb_net *net, size_t c, step_visit *visit, void *context,
                                 struct qb_error *err)
{
    const size_t scored = scored_of(walk);
    const int32_t *tokens = walk->text.tokens + c * walk->text.context;
    struct qb_kv *kv = NULL;
    if (qb_net_kv(net, 1, scored, walk->step, &kv, err))
        return err->status;
    for (size_t at = 0; at < scored && !err->status; at += walk->step) {
        const size_t n = walk->step < scored - at ? walk->step : scored - at;
        const struct qb_step step = {.tokens = tokens + at, .batch = 1, .n = n, .kept = n};
        if (!qb_net_step(net, kv, &step, walk->hidden, err))
            visit(context, c * scored + at, n, walk->hidden, err);
    }
    if (walk->kv_bytes) {
        *walk->kv_bytes = (int64_t)qb_kv_bytes(kv);
        *walk->position_bytes = qb_kv_position_bytes(kv);
    }
    walk->working_bytes = qb_kv_working_bytes(kv);
    walk->walked = true;
    qb_kv_free(kv);
    return err->status ? qb_wrap(err, "chunk %zu", c) : QB_OK;
}

/* ---- the reference ---- */

static const char *skip(const struct qb_cell_env *env)
{
    const char *why = qb_arch_no_kv(&env->model->arch);
    if (why)
        return why;
    return env->inputs->text_greedy ? "kv reads a text that is there, not what FP32 itself writes" : NULL;
}

struct keep {
    struct walk walk;
    struct qb_net *net;
    float *to;
    size_t width;
};

static enum qb_status keep_hidden(void *context, size_t first, size_t n, const float *hidden, struct qb_error *err)
{
    const struct keep *keep = context;
    (void)err;
    memcpy(keep->to + first * keep->width, hidden, n * keep->width * sizeof *hidden);
    return QB_OK;
}

static enum qb_status keep_chunk(void *context, size_t first, size_t n, struct qb_error *err)
{
    struct keep *keep = context;
    return walk_chunk(&keep->walk, keep->net, first / n, keep_hidden, keep, err);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct keep keep = {.width = env->model->arch.hidden};
    if (skip(env)) /* as every cell that would read it */
        return QB_OK;
    if (open_walk(env, &keep.walk, err))
        goto out;
    const size_t dims[2] = {keep.walk.text.chunks * scored_of(&keep.walk), keep.width};
    keep.to = qb_record_add(out, "hidden", QB_F32, 2, dims, "1", "final hidden states [position, hidden]", err);
    if (keep.to && !qb_cell_fp32(env, &keep.net, err))
        qb_parts_run(env->parts, out, dims[0], scored_of(&keep.walk), keep_chunk, &keep, err);
out:
    qb_net_free(keep.net);
    close_walk(&keep.walk);
    return err->status;
}

/* ---- the comparison ---- */

struct work {
    const struct qb_cell_env *env;
    struct walk walk;
    struct qb_net *fp32;
    const float *reference; /* its hidden states [positions, H] */
    float *p, *q;           /* [BLOCK, vocab] */
    struct qb_positions rows;
    struct qb_kv_memory memory;
};

static enum qb_status compare_step(void *context, size_t first, size_t n, const float *hidden, struct qb_error *err)
{
    struct work *w = context;
    const size_t width = w->env->model->arch.hidden, vocab = w->env->model->arch.vocab;
    for (size_t at = 0; at < n; at += BLOCK) {
        const size_t count = n - at < BLOCK ? n - at : BLOCK;
        if (qb_net_logits(w->fp32, w->reference + (first + at) * width, count, w->p, err) ||
            qb_net_logits(w->env->prepared->net, hidden + at * width, count, w->q, err) ||
            qb_positions_block(w->env->pool, w->p, NULL, w->q, vocab, first + at, count, &w->rows, err))
            return err->status;
    }
    return QB_OK;
}

static enum qb_status compare_chunk(void *context, size_t first, size_t n, struct qb_error *err)
{
    struct work *w = context;
    return walk_chunk(&w->walk, w->env->prepared->net, first / n, compare_step, w, err);
}

static enum qb_status compare(struct work *w, struct qb_record *out, struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab;
    w->p = qb_alloc(BLOCK * vocab, sizeof *w->p, "reference logits", err);
    w->q = w->p ? qb_alloc(BLOCK * vocab, sizeof *w->q, "logits", err) : NULL;
    w->memory.logits = qb_size_of(w->p) + qb_size_of(w->q);
    if (w->q)
        qb_parts_run(w->env->parts, out, w->rows.count, scored_of(&w->walk), compare_chunk, w, err);
    qb_free(w->q);
    qb_free(w->p);
    return err->status;
}

static void fill_positions(const struct walk *walk, struct qb_positions *rows)
{
    const size_t scored = scored_of(walk);
    for (size_t i = 0; i < rows->count; i++) {
        rows->chunk[i] = (int32_t)(i / scored);
        rows->position[i] = (int32_t)(i % scored);
        rows->target[i] = walk->text.tokens[i / scored * walk->text.context + i % scored + 1];
    }
}

/* What the walk says of the bytes that are kept, for parts to keep as well. */
static enum qb_status add_bytes(struct walk *walk, struct qb_record *out, struct qb_error *err)
{
    walk->kv_bytes =
        qb_record_add(out, "kv_bytes", QB_I64, 0, NULL, "bytes", "keys and values of a whole chunk, as kept", err);
    if (walk->kv_bytes)
        walk->position_bytes =
            qb_record_add(out, "kv_bytes_per_token", QB_F64, 0, NULL, "bytes",
                          "keys and values of one token once they are encoded, side data included", err);
    return err->status;
}

static enum qb_status record_facts(const struct qb_cell_env *env, const struct walk *walk, struct qb_record *out,
                                   struct qb_error *err)
{
    const struct qb_arch *arch = &env->model->arch;
    const size_t fp16 = arch->layers * 2 * qb_arch_kv_heads(arch) * qb_arch_head_dim(arch) * 2;
    if (qb_record_i64(out, "vocabulary", (int64_t)arch->vocab, "tokens", "size of the vocabulary", err) ||
        qb_record_i64(out, "kv_fp16_bytes_per_token", (int64_t)fp16, "bytes", "the same in FP16", err) ||
        qb_record_calibration(env, env->prepared->net, out, err))
        return err->status;
    return qb_record_overlap(env->inputs, walk->text.tokens, walk->text.chunks, walk->text.context, out, err);
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_array *hidden = qb_record_get(env->reference, "hidden", QB_F32, 2);
    struct work w = {.env = env, .reference = hidden ? hidden->data : NULL};
    struct walk *walk = &w.walk;
    if (open_walk(env, walk, err))
        goto out;
    const size_t n = walk->text.chunks * scored_of(walk);
    if (!hidden || hidden->count != n * env->model->arch.hidden) {
        qb_fail(err, QB_ERR_INTERNAL, "the reference's record does not fit this run");
        goto out;
    }
    if (qb_positions_add(n, &w.rows, out, err) || add_bytes(walk, out, err) || qb_cell_fp32(env, &w.fp32, err))
        goto out;
    fill_positions(walk, &w.rows);
    qb_kv_memory_begin(&w.memory);
    compare(&w, out, err);
    w.memory.states = qb_size_of(walk->hidden);
    w.memory.scratch =
        qb_net_working_bytes(w.fp32, NULL) + qb_net_working_bytes(env->prepared->net, NULL) + walk->working_bytes;
    qb_kv_memory_end(&w.memory);
    if (!err->status && walk->walked) /* else there was nothing to look at */
        qb_record_kv_memory(env, w.fp32, &w.memory, out, err);
    if (!err->status && !record_facts(env, walk, out, err))
        qb_record_kv_layers(env, w.fp32, walk->text.tokens, walk->text.context, out, err);
out:
    qb_net_free(w.fp32);
    close_walk(walk);
    return err->status;
}

const struct qb_experiment qb_experiment_kv = {
    .name = "kv",
    .summary = "KL by position along a context over the KV cache; errors of keys, values and attention by layer; bytes",
    .reads = QB_READS_TEXT | QB_READS_AS_LLAMA,
    .net = true,
    .options = options,
    .skip = skip,
    .reference = reference,
    .run = run,
};
