/* attribute: which part of a variant the KL comes from. On the text of teacher-forced: every combination of the
 * variant's parts (storage, domain, S, alpha, FP16 roles), and every placed tensor by itself. */
#include "attribute.h"
#include "common.h"

enum { OPTION_FACTORIAL, OPTION_SWAP, OPTION_ORDER_CHUNKS };
static const struct qb_codec_option options[] = {
    {"factorial", QB_OPTION_BOOL, "true", 0, 0, NULL, "all combinations of the variant's parts"},
    {"swap", QB_OPTION_BOOL, "true", 0, 0, NULL,
     "placed tensors and roles encoded by themselves, of a variant that stores weights and does nothing else"},
    {"order_chunks", QB_OPTION_INT, "2", 0, 1048576, NULL,
     "chunks that the greedy order of tensors looks at, in a run for each pair of tensors; 0: no order"},
    {0}};

static const char *skip(const struct qb_cell_env *env)
{
    if (!env->variant->encoded)
        return "the variant encodes no weights";
    if (qb_variant_conditions(env->variant))
        return "the variant changes its weights before it encodes them, and parts are told apart of weights as they "
               "are";
    if (env->variant->path != QB_PATH_DECODE && env->variant->path != QB_PATH_DOMAIN)
        return "the variant computes in a way that has no parts, and parts are told apart of paths decode and domain";
    return env->variant->kv_block || env->variant->act.plugin
               ? "the variant encodes its KV cache or activations as well, and parts are told apart of weights alone"
               : NULL;
}

static enum qb_status add_chunks(const struct judge *j, struct qb_record *out, struct qb_error *err)
{
    int32_t *chunk =
        qb_record_add(out, "chunk", QB_I32, 1, &j->positions, "1", "chunk of the text that the position is in", err);
    for (size_t i = 0; chunk && i < j->positions; i++)
        chunk[i] = (int32_t)(i / j->text.compared);
    return err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct judge judge;
    const bool stores = factors_of(env->variant, env->model) == FACTOR_STORAGE;
    if (judge_open(env, &judge, err) || add_chunks(&judge, out, err) ||
        (env->options[OPTION_FACTORIAL].i && factors_run(&judge, out, err)) ||
        (stores && env->options[OPTION_SWAP].i &&
         swap_run(&judge, (size_t)env->options[OPTION_ORDER_CHUNKS].i, out, err)))
        goto out;
    if (env->variant->takes_contexts)
        qb_forced_overlap(env, &judge.text, out, err);
out:
    judge_close(&judge);
    return err->status;
}

const struct qb_experiment qb_experiment_attribute = {
    .name = "attribute",
    .summary = "which part of the loss comes from where: all combinations of the variant's parts, tensor by tensor",
    .reads = QB_READS_PROMPT | QB_READS_TEXT | QB_READS_OWN_TEXT,
    .options = options,
    .skip = skip,
    .run = run,
};
