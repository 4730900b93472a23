#include "forced.h"

#include <string.h>

#include "base/mem.h"
#include "calibration_overlap.h"
#include "common.h"

size_t qb_forced_positions(const struct qb_inputs *in)
{
    return in->text_greedy ? in->text_greedy : in->chunks * in->context;
}

struct keep {
    int32_t *tokens;
    size_t room;
};

static enum qb_status keep_step(void *context, size_t step, const float *hidden, const float *logits,
                                const struct qb_row_stats *stats, struct qb_error *err)
{
    struct keep *k = context;
    (void)hidden, (void)logits, (void)err;
    if (step < k->room)
        k->tokens[step] = stats[0].rank.top[0];
    return QB_OK;
}

/* Fills tokens[length] with prompt 0 and the net's continuation. */
static enum qb_status write_own(const struct qb_inputs *in, struct qb_net *net, int32_t *tokens, size_t length,
                                struct qb_error *err)
{
    size_t prompt = in->prompt_length < length ? in->prompt_length : length;
    memcpy(tokens, in->prompts, prompt * sizeof *tokens);
    if (prompt == length)
        return QB_OK;
    struct keep keep = {tokens + prompt, length - prompt};
    struct qb_generation g = {in->prompts, 1, in->prompt_length, length - prompt};
    return qb_generate_tokens(net, &g, keep_step, &keep, err);
}

static enum qb_status open_own(const struct qb_cell_env *env, struct qb_net *fp32, const struct qb_array *known,
                               struct qb_forced *text, struct qb_error *err)
{
    const struct qb_arch *arch = &env->model->arch;
    const struct qb_inputs *in = env->inputs;
    bool sees_all = arch->attention && !arch->causal;
    if (!in->prompts)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no prompt to generate its text from", env->model->name);
    text->chunks = 1;
    text->compared = in->text_greedy;
    text->length = in->text_greedy + (sees_all ? 0 : in->prompt_length - 1);
    if (known) {
        text->tokens = known->data;
        return known->count == text->length
                   ? QB_OK
                   : qb_fail(err, QB_ERR_INTERNAL, "the reference's tokens do not fit this run");
    }
    text->tokens = text->own = qb_alloc(text->length, sizeof *text->own, "own text", err);
    return text->own ? write_own(in, fp32, text->own, text->length, err) : err->status;
}

enum qb_status qb_forced_open(const struct qb_cell_env *env, struct qb_net *fp32, const struct qb_array *known,
                              struct qb_forced *text, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    *text = (struct qb_forced){.tokens = in->text, .chunks = in->chunks, .length = in->context};
    text->compared = in->context;
    if (qb_forced_positions(in) == 0)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no text; give `corpus` to the model or to teacher-forced",
                       env->model->name);
    return in->text_greedy ? open_own(env, fp32, known, text, err) : QB_OK;
}

void qb_forced_close(struct qb_forced *text)
{
    qb_free(text->own);
    *text = (struct qb_forced){0};
}

enum qb_status qb_forced_hidden(const struct qb_forced *text, struct qb_net *net, size_t first, size_t chunks,
                                float *hidden, struct qb_error *err)
{
    size_t width = qb_net_model(net)->arch.hidden, kept = text->compared * width;
    float *all = qb_alloc(text->length * width, sizeof *all, "hidden states", err);
    for (size_t c = 0; c < chunks && !err->status; c++) {
        if (qb_net_forward(net, text->tokens + (first + c) * text->length, 1, text->length, all, err))
            qb_wrap(err, "chunk %zu", first + c);
        else
            memcpy(hidden + c * kept, all + text->length * width - kept, kept * sizeof *hidden);
    }
    qb_free(all);
    return err->status;
}

enum qb_status qb_forced_overlap(const struct qb_cell_env *env, const struct qb_forced *text, struct qb_record *out,
                                 struct qb_error *err)
{
    return qb_record_overlap(env->inputs, text->tokens, text->chunks, text->length, out, err);
}
