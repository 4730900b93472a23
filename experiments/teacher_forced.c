/* teacher-forced: reference and variant read the same tokens; their next-token distributions are compared at every
 * position. On text: chunks of a corpus. With text_greedy: the tokens that the reference itself generates. */
#include <string.h>

#include "base/mem.h"
#include "common.h"
#include "forced.h"
#include "positions.h"

#define BLOCK QB_FORCED_BLOCK

/* Positions of a piece: the fewest whole chunks that are whole blocks as well, so that blocks lie where they would
 * without pieces; at most all. */
static size_t piece_of(const struct qb_forced *text)
{
    size_t chunks = 1;
    while (chunks < text->chunks && chunks * text->compared % BLOCK != 0)
        chunks++;
    return chunks * text->compared;
}

struct keep {
    const struct qb_forced *text;
    struct qb_net *net;
    float *to; /* [positions, H] */
};

static enum qb_status keep_piece(void *context, size_t first, size_t n, struct qb_error *err)
{
    const struct keep *k = context;
    return qb_forced_hidden(k->text, k->net, first / k->text->compared, n / k->text->compared,
                            k->to + first * qb_net_model(k->net)->arch.hidden, err);
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
        qb_parts_run(env->parts, out, n, piece_of(&text), keep_piece, &(struct keep){&text, net, hidden}, err);
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

struct work {
    const struct qb_cell_env *env;
    const struct qb_forced *text;
    struct qb_net *fp32;
    const float *reference;         /* its hidden states [positions, H] */
    float *hidden, *p, *q;          /* [positions of a piece, H], [BLOCK, vocab], [BLOCK, vocab] */
    struct qb_reference_row *known; /* [BLOCK]; it and p where the shelf has none */
    struct qb_positions *rows;
    size_t first, count; /* of the block at work */
};

/* ---- the shelf: a piece a block, what is known of the reference's logits, then these ---- */

static struct qb_shelf_shape shelf(const struct qb_cell_env *env)
{
    const size_t n = qb_forced_positions(env->inputs), each = n < BLOCK ? n : BLOCK;
    return (struct qb_shelf_shape){(n + BLOCK - 1) / BLOCK,
                                   each * (sizeof(struct qb_reference_row) + env->model->arch.vocab * sizeof(float))};
}

static float *logits_on_shelf(const struct work *w, const void *piece)
{
    const struct qb_reference_row *known = piece;
    return (float *)(uintptr_t)(known + (w->rows->count < BLOCK ? w->rows->count : BLOCK));
}

/* The reference's logits of the block at work and what is known from them. */
static enum qb_status make_base(struct work *w, float *p, struct qb_reference_row *known, struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab, width = w->env->model->arch.hidden;
    if (!qb_net_logits(w->fp32, w->reference + w->first * width, w->count, p, err))
        qb_positions_reference(w->env->pool, p, vocab, w->first, w->count, known, err);
    return err->status;
}

static enum qb_status shelve_block(void *context, void *piece, struct qb_error *err)
{
    return make_base(context, logits_on_shelf(context, piece), piece, err);
}

static enum qb_status compare_block(struct work *w, const float *hidden, struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab;
    const struct qb_reference_row *known = qb_shelf_piece(w->env->shelf, w->first / BLOCK, shelve_block, w, err);
    const float *p = known ? logits_on_shelf(w, known) : w->p;
    if (!err->status && !known && !make_base(w, w->p, w->known, err))
        known = w->known;
    if (!err->status && !qb_net_logits(w->env->prepared->net, hidden, w->count, w->q, err))
        qb_positions_block(w->env->pool, p, known, w->q, vocab, w->first, w->count, w->rows, err);
    return err->status;
}

static enum qb_status compare_piece(void *context, size_t first, size_t n, struct qb_error *err)
{
    struct work *w = context;
    const size_t width = w->env->model->arch.hidden;
    struct qb_net *net = w->env->prepared->net;
    qb_forced_hidden(w->text, net, first / w->text->compared, n / w->text->compared, w->hidden, err);
    for (size_t i = 0; i < n && !err->status; i += BLOCK) {
        w->first = first + i;
        w->count = n - i < BLOCK ? n - i : BLOCK;
        compare_block(w, w->hidden + i * width, err);
    }
    return err->status;
}

/* Runs the variant over the reference's tokens and compares. */
static enum qb_status measure(struct work *w, struct qb_record *out, struct qb_error *err)
{
    const size_t vocab = w->env->model->arch.vocab, piece = piece_of(w->text);
    if (!qb_cell_fp32(w->env, &w->fp32, err) &&
        (w->hidden = qb_alloc(piece * w->env->model->arch.hidden, sizeof *w->hidden, "hidden states", err)) &&
        (w->p = qb_alloc(BLOCK * vocab, sizeof *w->p, "reference logits", err)) &&
        (w->known = qb_alloc(BLOCK, sizeof *w->known, "what the reference's logits tell", err)) &&
        (w->q = qb_alloc(BLOCK * vocab, sizeof *w->q, "logits", err)) &&
        !qb_parts_run(w->env->parts, out, w->rows->count, piece, compare_piece, w, err) &&
        w->env->variant->takes_contexts && !qb_record_calibration(w->env, w->env->prepared->net, out, err))
        qb_forced_overlap(w->env, w->text, out, err);
    qb_free(w->q);
    qb_free(w->known);
    qb_free(w->p);
    qb_free(w->hidden);
    qb_net_free(w->fp32);
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
        measure(&(struct work){.env = env, .text = &text, .reference = ref->data, .rows = &rows}, out, err);
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
    .shelf = shelf,
    .run = run,
};
