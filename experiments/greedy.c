/* greedy: each arm generates on its own from the same prompts, always taking the most likely token. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/probability.h"
#include "calibration_overlap.h"
#include "common.h"

enum { OPTION_STEPS };
static const struct qb_codec_option options[] = {
    {"steps", QB_OPTION_INT, "500", 1, 100000, NULL, "tokens to generate from each prompt"}, {0}};

/* The arrays of one arm, all [prompts, steps] (top: [prompts, steps, 10]; ranks: [prompts, steps, RANKS]). */
struct arm {
    size_t steps, batch, vocab;
    int32_t *tokens, *top, *ranks; /* top and ranks: of the reference */
    float *margin, *logit_std, *spread;
    uint8_t *mask;               /* [vocab]: tokens without a probability in the row at work */
    const struct arm *reference; /* the variant: what it is compared with */
    double *match_share, *top10_share;
    uint8_t *overlap;
};

/* The counts of struct qb_ranking behind its list, as stored. */
enum { PROBABLE, FIRST, ABOVE, EQUALS, RANKS };

static struct qb_ranking ranking_at(const struct arm *arm, size_t at)
{
    const int32_t *ranks = arm->ranks + at * RANKS;
    struct qb_ranking r = {.listed = arm->vocab < QB_TOP ? (uint32_t)arm->vocab : QB_TOP,
                           .probable = (uint32_t)ranks[PROBABLE],
                           .first = (uint32_t)ranks[FIRST],
                           .above = (uint32_t)ranks[ABOVE],
                           .equals = (uint32_t)ranks[EQUALS]};
    memcpy(r.top, arm->top + at * QB_TOP, sizeof r.top);
    return r;
}

/* Free-running arms have no rows to compare bit by bit; rows whose statistics all are the same are taken for the same.
 */
static bool same_row(const struct arm *a, const struct arm *b, size_t at, const struct qb_ranking *ra,
                     const struct qb_ranking *rb)
{
    return memcmp(ra, rb, sizeof *ra) == 0 && a->margin[at] == b->margin[at] && a->logit_std[at] == b->logit_std[at] &&
           a->spread[at] == b->spread[at];
}

/* Equal tokens of equal logits are the lowest index, not a choice: the step counts by the chance of that token. */
static void compare_step(struct arm *arm, size_t at, const float *logits, const struct qb_ranking *ours)
{
    const struct arm *ref = arm->reference;
    const struct qb_ranking theirs = ranking_at(ref, at);
    bool same = same_row(arm, ref, at, ours, &theirs);
    struct qb_agreement shares = qb_agree(&theirs, logits, arm->vocab, ours, same);
    uint32_t equals = ours->first > theirs.first ? ours->first : theirs.first;
    arm->top10_share[at] = shares.top;
    arm->match_share[at] = arm->tokens[at] != ref->tokens[at] ? 0 : same ? 1 : 1.0 / equals;
    arm->overlap[at] = (uint8_t)qb_overlap(theirs.top, ours->top, QB_TOP);
}

static enum qb_status keep_step(void *context, size_t step, const float *hidden, const float *logits,
                                const struct qb_row_stats *stats, struct qb_error *err)
{
    struct arm *arm = context;
    (void)hidden, (void)err;
    for (size_t b = 0; b < arm->batch; b++) {
        size_t at = b * arm->steps + step;
        const struct qb_ranking *rank = &stats[b].rank;
        const float *row = logits + b * arm->vocab;
        arm->tokens[at] = rank->top[0];
        arm->margin[at] = stats[b].margin;
        arm->spread[at] = stats[b].spread;
        /* Each arm's own tokens without a probability: on its own sequence there is no row of FP32 to ask. */
        arm->logit_std[at] = qb_mask_improbable(row, arm->vocab, arm->mask)
                                 ? (float)qb_std_unmasked(row, arm->mask, arm->vocab)
                                 : stats[b].std;
        if (arm->reference) {
            compare_step(arm, at, row, rank);
            continue;
        }
        const int32_t ranks[RANKS] = {(int32_t)rank->probable, (int32_t)rank->first, (int32_t)rank->above,
                                      (int32_t)rank->equals};
        memcpy(arm->top + at * QB_TOP, rank->top, sizeof rank->top);
        memcpy(arm->ranks + at * RANKS, ranks, sizeof ranks);
    }
    return QB_OK;
}

static enum qb_status add_arm(const struct qb_cell_env *env, const char *prefix, struct arm *arm, struct qb_record *out,
                              struct qb_error *err)
{
    char name[64];
    arm->batch = env->inputs->prompt_count;
    arm->steps = (size_t)env->options[OPTION_STEPS].i;
    arm->vocab = env->model->arch.vocab;
    size_t dims[3] = {arm->batch, arm->steps, QB_TOP};
    snprintf(name, sizeof name, "%stokens", prefix);
    arm->tokens = qb_record_add(out, name, QB_I32, 2, dims, "token id", "generated tokens [prompt, step]", err);
    snprintf(name, sizeof name, "%smargin", prefix);
    arm->margin = qb_record_add(out, name, QB_F32, 2, dims, "1", "top-1 minus top-2 logit [prompt, step]", err);
    snprintf(name, sizeof name, "%slogit_std", prefix);
    arm->logit_std =
        qb_record_add(out, name, QB_F32, 2, dims, "1", "std of the logits over the vocabulary [prompt, step]", err);
    snprintf(name, sizeof name, "%sspread", prefix);
    arm->spread =
        qb_record_add(out, name, QB_F32, 2, dims, "1", "std of the logits that matter (metric.h) [prompt, step]", err);
    arm->mask = qb_alloc(arm->vocab, 1, "mask of the vocabulary", err);
    return arm->tokens && arm->margin && arm->logit_std && arm->spread && arm->mask ? QB_OK : err->status;
}

static enum qb_status generate_arm(const struct qb_cell_env *env, struct qb_net *net, struct arm *arm,
                                   struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    struct qb_generation g = {in->prompts, in->prompt_count, in->prompt_length, arm->steps};
    if (!in->prompts)
        return qb_fail(err, QB_ERR_INPUT,
                       "model '%s' has no prompt; give `prompt` to the model or to greedy, such as "
                       "{corpus: FILE, count: 8, length: 32}",
                       env->model->name);
    return qb_generate_tokens(net, &g, keep_step, arm, err);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct qb_net *net = NULL;
    struct arm arm = {0};
    add_arm(env, "", &arm, out, err);
    size_t dims[3] = {arm.batch, arm.steps, QB_TOP}, counts[3] = {arm.batch, arm.steps, RANKS};
    arm.top = err->status ? NULL
                          : qb_record_add(out, "top10", QB_I32, 3, dims, "token id",
                                          "ten most likely tokens [prompt, step, rank]", err);
    arm.ranks = arm.top ? qb_record_add(out, "top10_counts", QB_I32, 3, counts, "tokens",
                                        "of the list: with a probability; equal to the first; above the last; equal to "
                                        "the last, listed or not [prompt, step, 4]",
                                        err)
                        : NULL;
    if (arm.ranks && !qb_cell_fp32(env, &net, err))
        generate_arm(env, net, &arm, err);
    qb_net_free(net);
    qb_free(arm.mask);
    return err->status;
}

/* Copies an array of the reference's record under the name reference_<name>. */
static enum qb_status copy_reference(const struct qb_record *reference, const char *name, struct qb_record *out,
                                     struct qb_error *err)
{
    char to[64];
    const struct qb_array *from = qb_record_find(reference, name);
    if (!from)
        return qb_fail(err, QB_ERR_INTERNAL, "the reference lacks '%s'", name);
    snprintf(to, sizeof to, "reference_%s", name);
    void *data = qb_record_add(out, to, from->dtype, from->rank, from->dims, from->unit, from->description, err);
    if (!data)
        return err->status;
    memcpy(data, from->data, from->count * qb_dtype_size(from->dtype));
    return QB_OK;
}

/* The arrays that compare the arms. */
static enum qb_status add_shares(struct arm *arm, struct qb_record *out, struct qb_error *err)
{
    size_t dims[2] = {arm->batch, arm->steps};
    arm->overlap = qb_record_add(out, "overlap10", QB_U8, 2, dims, "tokens",
                                 "shared tokens of both arms' ten most likely [prompt, step]", err);
    arm->match_share = qb_record_add(out, "match_share", QB_F64, 2, dims, "1",
                                     "1: both arms generated this token; less where others were as likely", err);
    arm->top10_share = qb_record_add(out, "top10_share", QB_F64, 2, dims, "1",
                                     "shared part of the top-10 lists (metric/ranking.h) [prompt, step]", err);
    return arm->overlap && arm->match_share && arm->top10_share
               ? qb_record_i64(out, "vocabulary", (int64_t)arm->vocab, "tokens", "size of the vocabulary", err)
               : err->status;
}

/* An array of the reference's record with a size for each of its steps, or each token. */
static void *reference_array(const struct qb_record *record, const char *name, enum qb_dtype dtype, size_t count,
                             struct qb_error *err)
{
    const struct qb_array *array = qb_record_find(record, name);
    if (array && array->dtype == dtype && array->count == count)
        return array->data;
    qb_fail(err, QB_ERR_INTERNAL, "the reference's '%s' has not the shape of this run", name);
    return NULL;
}

/* A record may be a stranger's: what is an index or a count is within its range. */
static bool in_range(const int32_t *x, size_t count, int64_t least, int64_t most)
{
    for (size_t i = 0; i < count; i++)
        if (x[i] < least || x[i] > most)
            return false;
    return true;
}

static bool ranks_fit(const struct arm *arm)
{
    const size_t n = arm->batch * arm->steps;
    const int64_t vocab = (int64_t)arm->vocab, listed = vocab < QB_TOP ? vocab : QB_TOP;
    bool fit = in_range(arm->tokens, n, 0, vocab - 1);
    for (size_t at = 0; at < n && fit; at++) {
        const int32_t *r = arm->ranks + at * RANKS;
        fit = in_range(arm->top + at * QB_TOP, (size_t)listed, 0, vocab - 1) && in_range(&r[PROBABLE], 1, 1, listed) &&
              in_range(&r[FIRST], 1, 1, vocab) && in_range(&r[ABOVE], 1, 0, listed) &&
              in_range(&r[EQUALS], 1, 1, vocab);
    }
    return fit;
}

/* The reference's arm, borrowed from its record. */
static enum qb_status open_reference(struct arm *arm, const struct qb_record *record, struct arm *reference,
                                     struct qb_error *err)
{
    size_t n = arm->batch * arm->steps;
    *reference = (struct arm){.batch = arm->batch, .steps = arm->steps, .vocab = arm->vocab};
    if (!(reference->tokens = reference_array(record, "tokens", QB_I32, n, err)) ||
        !(reference->top = reference_array(record, "top10", QB_I32, n * QB_TOP, err)) ||
        !(reference->ranks = reference_array(record, "top10_counts", QB_I32, n * RANKS, err)) ||
        !(reference->margin = reference_array(record, "margin", QB_F32, n, err)) ||
        !(reference->logit_std = reference_array(record, "logit_std", QB_F32, n, err)) ||
        !(reference->spread = reference_array(record, "spread", QB_F32, n, err)))
        return err->status;
    if (!ranks_fit(reference))
        return qb_fail(err, QB_ERR_INPUT,
                       "the reference's record holds tokens or ranks out of range: damaged or edited");
    arm->reference = reference;
    return QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    struct qb_net *net = env->prepared->net;
    struct arm arm = {0}, theirs;
    size_t dims[2] = {in->prompt_count, in->prompt_length};
    int32_t *prompt;
    if (add_arm(env, "", &arm, out, err) ||
        !(prompt = qb_record_add(out, "prompt", QB_I32, 2, dims, "token id", "prompts [prompt, position]", err)))
        goto out;
    if (in->prompts)
        memcpy(prompt, in->prompts, dims[0] * dims[1] * sizeof *prompt);
    if (open_reference(&arm, env->reference, &theirs, err) || add_shares(&arm, out, err) ||
        generate_arm(env, net, &arm, err) || copy_reference(env->reference, "tokens", out, err) ||
        copy_reference(env->reference, "spread", out, err) || copy_reference(env->reference, "margin", out, err) ||
        copy_reference(env->reference, "logit_std", out, err))
        goto out;
    if (env->variant->takes_contexts && !qb_record_calibration(env, net, out, err))
        qb_record_overlap(in, in->prompts, in->prompt_count, in->prompt_length, out, err);
out:
    qb_free(arm.mask);
    return err->status;
}

const struct qb_experiment qb_experiment_greedy = {
    .name = "greedy",
    .summary = "free-running greedy generation against FP32: match, first divergence, cycles",
    .reads = QB_READS_PROMPT,
    .net = true,
    .keeps_reference = true,
    .options = options,
    .reference = reference,
    .run = run,
};
