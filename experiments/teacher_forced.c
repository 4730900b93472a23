/* teacher-forced: reference and variant read the same tokens; their next-token distributions are compared at every
 * position. On text: chunks of a corpus. With text_greedy: the tokens that the reference itself generates. */
#include <string.h>

#include "base/mem.h"
#include "common.h"
#include "forced.h"
#include "positions.h"

#define BLOCK QB_FORCED_BLOCK

static enum qb_status compare_all(const struct qb_cell_env *env, struct qb_net *net, const float *reference,
                                  const float *hidden, struct qb_positions *r, struct qb_error *err)
{
    size_t vocab = env->model->arch.vocab, width = env->model->arch.hidden;
    struct qb_net *fp32 = NULL;
    float *p = qb_cell_fp32(env, &fp32, err) ? NULL : qb_alloc(BLOCK * vocab, sizeof *p, "reference logits", err);
    float *q = p ? qb_alloc(BLOCK * vocab, sizeof *q, "logits", err) : NULL;
    for (size_t i = 0; i < r->count && !err->status; i += BLOCK) {
        size_t n = r->count - i < BLOCK ? r->count - i : BLOCK;
        if (!qb_net_logits(fp32, reference + i * width, n, p, err) &&
            !qb_net_logits(net, hidden + i * width, n, q, err))
            qb_positions_block(env->pool, p, q, vocab, i, n, r, err);
    }
    qb_free(q);
    qb_free(p);
    qb_net_free(fp32);
    return err->status;
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    size_t n = qb_forced_positions(env->inputs), dims[2] = {n, env->model->arch.hidden};
    struct qb_net *net = NULL;
    struct qb_forced text = {0};
    int32_t *tokens = NULL;
    float *hidden;
    if (qb_cell_fp32(env, &net, err) || qb_forced_open(env, net, NULL, &text, err) ||
        !(hidden = qb_record_add(out, "hidden", QB_F32, 2, dims, "1", "final hidden states [position, hidden]", err)))
        goto out;
    if (text.own && (tokens = qb_record_add(out, "tokens", QB_I32, 1, &text.length, "token id",
                                            "prompt 0 and what FP32 generates", err)))
        memcpy(tokens, text.own, text.length * sizeof *tokens);
    if (!err->status)
        qb_forced_hidden(&text, net, text.chunks, hidden, err);
out:
    qb_forced_close(&text);
    qb_net_free(net);
    return err->status;
}

static void fill_places(const struct qb_inputs *in, struct qb_positions *r)
{
    for (size_t i = 0; i < r->count; i++) {
        size_t context = in->text_greedy ? r->count : in->context;
        r->chunk[i] = (int32_t)(i / context);
        r->position[i] = (int32_t)(i % context);
        r->target[i] = in->text_greedy || i % context + 1 == context ? -1 : in->text[i + 1];
    }
}

/* Runs the variant over the reference's tokens and compares. */
static enum qb_status measure(const struct qb_cell_env *env, const struct qb_forced *text,
                              const float *reference_hidden, struct qb_positions *rows, struct qb_record *out,
                              struct qb_error *err)
{
    struct qb_net *net = env->prepared->net;
    float *hidden = qb_alloc(rows->count * env->model->arch.hidden, sizeof *hidden, "hidden states", err);
    if (!hidden)
        return err->status;
    if (!qb_forced_hidden(text, net, text->chunks, hidden, err) &&
        !compare_all(env, net, reference_hidden, hidden, rows, err) && env->variant->calibrated &&
        !qb_record_calibration(net, out, err))
        qb_forced_overlap(env, text, out, err);
    qb_free(hidden);
    return err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    size_t n = qb_forced_positions(env->inputs), width = env->model->arch.hidden;
    const struct qb_array *ref = qb_record_get(env->reference, "hidden", QB_F32, 2);
    const struct qb_array *own = qb_record_get(env->reference, "tokens", QB_I32, 1);
    struct qb_forced text = {0};
    struct qb_positions rows = {0};
    if (!ref || ref->count != n * width || (env->inputs->text_greedy && !own))
        return qb_fail(err, QB_ERR_INTERNAL, "the reference's record does not fit this run");
    if (!qb_forced_open(env, NULL, own, &text, err) && !qb_positions_add(n, &rows, out, err) &&
        !qb_record_i64(out, "vocabulary", (int64_t)env->model->arch.vocab, "tokens", "size of the vocabulary", err)) {
        fill_places(env->inputs, &rows);
        measure(env, &text, ref->data, &rows, out, err);
    }
    qb_forced_close(&text);
    return err->status;
}

const struct qb_experiment qb_experiment_teacher_forced = {
    .name = "teacher-forced",
    .summary = "next-token distributions on the same tokens against FP32: top-1, top-10, KL, perplexity",
    .reads = QB_READS_PROMPT | QB_READS_TEXT | QB_READS_OWN_TEXT,
    .net = true,
    .reference = reference,
    .run = run,
};
