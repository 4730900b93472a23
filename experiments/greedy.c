/* greedy: each arm generates on its own from the same prompts, always taking the most likely token. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "calibration_overlap.h"
#include "common.h"

enum { OPTION_STEPS };
static const struct qb_codec_option options[] = {
    {"steps", QB_OPTION_INT, "500", 1, 100000, NULL, "tokens to generate from each prompt"}, {0}};

/* The arrays of one arm, all [prompts, steps] (top: [prompts, steps, 10]). */
struct arm {
    size_t steps, batch;
    int32_t *tokens, *top;
    float *margin, *logit_std;
};

static enum qb_status keep_step(void *context, size_t step, const float *hidden, const float *logits,
                                const struct qb_row_stats *stats, struct qb_error *err)
{
    struct arm *arm = context;
    (void)hidden, (void)logits, (void)err;
    for (size_t b = 0; b < arm->batch; b++) {
        size_t at = b * arm->steps + step;
        arm->tokens[at] = stats[b].top[0];
        arm->margin[at] = stats[b].margin;
        arm->logit_std[at] = stats[b].std;
        memcpy(arm->top + at * QB_TOP, stats[b].top, sizeof stats[b].top);
    }
    return QB_OK;
}

static enum qb_status add_arm(const struct qb_cell_env *env, const char *prefix, struct arm *arm, struct qb_record *out,
                              struct qb_error *err)
{
    char name[64];
    arm->batch = env->inputs->prompt_count;
    arm->steps = (size_t)env->options[OPTION_STEPS].i;
    size_t dims[3] = {arm->batch, arm->steps, QB_TOP};
    snprintf(name, sizeof name, "%stokens", prefix);
    arm->tokens = qb_record_add(out, name, QB_I32, 2, dims, "token id", "generated tokens [prompt, step]", err);
    snprintf(name, sizeof name, "%smargin", prefix);
    arm->margin = qb_record_add(out, name, QB_F32, 2, dims, "1", "top-1 minus top-2 logit [prompt, step]", err);
    snprintf(name, sizeof name, "%slogit_std", prefix);
    arm->logit_std =
        qb_record_add(out, name, QB_F32, 2, dims, "1", "std of the logits over the vocabulary [prompt, step]", err);
    return arm->tokens && arm->margin && arm->logit_std ? QB_OK : err->status;
}

static enum qb_status generate_arm(const struct qb_cell_env *env, struct qb_net *net, struct arm *arm,
                                   struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    struct qb_generation g = {in->prompts, in->prompt_count, in->prompt_length, arm->steps};
    if (!in->prompts)
        return qb_fail(err, QB_ERR_INPUT, "model '%s' has no prompt; give `prompt` to the model or to greedy",
                       env->model->name);
    return qb_generate_tokens(net, &g, keep_step, arm, err);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct qb_net *net = NULL;
    struct arm arm = {0};
    enum qb_status s = add_arm(env, "", &arm, out, err);
    if (s)
        return s;
    size_t dims[3] = {arm.batch, arm.steps, QB_TOP};
    arm.top =
        qb_record_add(out, "top10", QB_I32, 3, dims, "token id", "ten most likely tokens [prompt, step, rank]", err);
    if (!arm.top)
        return err->status;
    s = qb_cell_net(env, true, &net, err);
    if (!s)
        s = generate_arm(env, net, &arm, err);
    qb_net_free(net);
    return s;
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

static enum qb_status add_overlap(const struct arm *arm, const struct qb_record *reference, struct qb_record *out,
                                  struct qb_error *err)
{
    size_t dims[2] = {arm->batch, arm->steps};
    const struct qb_array *top = qb_record_get(reference, "top10", QB_I32, 3);
    uint8_t *overlap = qb_record_add(out, "overlap10", QB_U8, 2, dims, "tokens",
                                     "shared tokens of both arms' ten most likely [prompt, step]", err);
    if (!overlap)
        return err->status;
    if (!top || top->count != arm->batch * arm->steps * QB_TOP)
        return qb_fail(err, QB_ERR_INTERNAL, "the reference's top10 has not the shape of this run");
    for (size_t i = 0; i < arm->batch * arm->steps; i++)
        overlap[i] = (uint8_t)qb_overlap((const int32_t *)top->data + i * QB_TOP, arm->top + i * QB_TOP, QB_TOP);
    return QB_OK;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_inputs *in = env->inputs;
    struct qb_net *net = NULL;
    struct arm arm = {0};
    enum qb_status s = add_arm(env, "", &arm, out, err);
    if (s)
        return s;
    size_t dims[2] = {in->prompt_count, in->prompt_length};
    int32_t *prompt = qb_record_add(out, "prompt", QB_I32, 2, dims, "token id", "prompts [prompt, position]", err);
    arm.top = qb_alloc(arm.batch * arm.steps * QB_TOP, sizeof *arm.top, "top-10 lists", err);
    if (!prompt || !arm.top) {
        s = err->status;
        goto out;
    }
    if (in->prompts)
        memcpy(prompt, in->prompts, dims[0] * dims[1] * sizeof *prompt);
    if ((s = qb_cell_net(env, false, &net, err)) || (s = generate_arm(env, net, &arm, err)) ||
        (s = add_overlap(&arm, env->reference, out, err)) || (s = copy_reference(env->reference, "tokens", out, err)) ||
        (s = copy_reference(env->reference, "margin", out, err)) ||
        (s = copy_reference(env->reference, "logit_std", out, err)))
        goto out;
    if (env->variant->calibrated && !(s = qb_record_calibration(net, out, err)))
        s = qb_record_overlap(in, in->prompts, in->prompt_count, in->prompt_length, out, err);
out:
    qb_net_free(net);
    qb_free(arm.top);
    return s;
}

const struct qb_experiment qb_experiment_greedy = {
    .name = "greedy",
    .summary = "free-running greedy generation against FP32: match, first divergence, cycles",
    .options = options,
    .reference = reference,
    .run = run,
};
