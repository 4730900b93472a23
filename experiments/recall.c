/* recall: associative recall along a context. A passage of random tokens stands at the start, text of a corpus follows,
 * then the passage's first half; the net generates on from there, and what it writes is held to the second half. Only
 * by reading keys and values from that far back can it be right: no text foretells the passage. The test is the
 * copying of Jelassi et al. 2024 ("Repeat After Me") with a text between, and a needle (Kamradt 2023) that no
 * prior knowledge finds. */
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "calibration_overlap.h"
#include "chunk_text.h"
#include "common.h"

enum { OPTION_PASSAGE, OPTION_REPEATS };
static const struct qb_codec_option options[] = {
    {"passage", QB_OPTION_INT, "32", 4, 128, NULL, "tokens of the passage, an even number"},
    {"repeats", QB_OPTION_INT, "4", 1, 1000, NULL, "passages tried in each chunk at each length"},
    {0}};

/* Tokens of an item in all, from its first to the last of the answer. */
static const size_t lengths[] = {512, 2048, 8192};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

struct items {
    const struct qb_cell_env *env;
    struct qb_chunk_text text;
    size_t passage, answer, repeats, fitting; /* fitting: the first so many lengths can be run */
    size_t count;                             /* chunks x fitting x repeats, in that order */
};

static const char *skip(const struct qb_cell_env *env)
{
    if (!env->model->arch.attention)
        return "the model has no attention: it keeps nothing to recall";
    const char *why = qb_arch_no_kv(&env->model->arch);
    if (why)
        return why;
    return env->inputs->text_greedy ? "recall reads a text that is there, not what FP32 itself writes" : NULL;
}

/* Tokens of text between the passage and its repetition, in an item of `length`; the item's first token is the
 * chunk's. */
static size_t filler_of(const struct items *items, size_t length)
{
    return length - 1 - 2 * items->passage;
}

static enum qb_status open_items(const struct qb_cell_env *env, struct items *items, struct qb_error *err)
{
    *items = (struct items){.env = env,
                            .passage = (size_t)env->options[OPTION_PASSAGE].i,
                            .repeats = (size_t)env->options[OPTION_REPEATS].i};
    if (items->passage % 2 != 0)
        return qb_fail(err, QB_ERR_INPUT, "recall: passage: expected an even number of tokens, found %zu",
                       items->passage);
    items->answer = items->passage / 2;
    if (qb_chunk_text_open(env, "recall", &items->text, err))
        return err->status;
    const size_t context = env->model->arch.context;
    while (items->fitting < LENGTHS && (!context || lengths[items->fitting] <= context) &&
           1 + filler_of(items, lengths[items->fitting]) <= items->text.context)
        items->fitting++;
    if (items->fitting == 0 && context && lengths[0] > context)
        return qb_fail(err, QB_ERR_INPUT, "recall needs a context of %zu tokens; the model has %zu", lengths[0],
                       context);
    if (items->fitting == 0)
        return qb_fail(err, QB_ERR_INPUT,
                       "a text of %zu tokens a chunk; recall needs %zu or more: corpus: {context: N}",
                       items->text.context, 1 + filler_of(items, lengths[0]));
    items->count = items->text.chunks * items->fitting * items->repeats;
    return QB_OK;
}

static size_t length_of(const struct items *items, size_t item)
{
    return lengths[item / items->repeats % items->fitting];
}

static size_t chunk_of(const struct items *items, size_t item)
{
    return item / (items->repeats * items->fitting);
}

/* Tokens of the corpus in random order, none twice where it has enough of them: what stands twice has two
 * continuations. The same of every arm, by the suite's seed and the item. */
static void draw_passage(const struct items *items, size_t item, int32_t *passage)
{
    const struct qb_chunk_text *text = &items->text;
    struct qb_rng rng;
    qb_rng_seed(&rng, items->env->seed + (uint32_t)item);
    for (size_t i = 0; i < items->passage; i++)
        for (size_t tries = 0, twice = 1; twice && tries < 100; tries++) {
            const size_t chunk = qb_rng_randint(&rng, (uint32_t)text->chunks);
            const size_t at = 1 + qb_rng_randint(&rng, (uint32_t)(text->context - 1)); /* the first may be BOS */
            passage[i] = text->tokens[chunk * text->context + at];
            twice = 0;
            for (size_t k = 0; k < i; k++)
                twice |= passage[k] == passage[i];
        }
}

/* The item's tokens but for the answer: prompt[length - answer]. */
static void write_prompt(const struct items *items, size_t item, const int32_t *passage, int32_t *prompt)
{
    const size_t filler = filler_of(items, length_of(items, item));
    const int32_t *chunk = items->text.tokens + chunk_of(items, item) * items->text.context;
    prompt[0] = chunk[0];
    memcpy(prompt + 1, passage, items->passage * sizeof *prompt);
    memcpy(prompt + 1 + items->passage, chunk + 1, filler * sizeof *prompt);
    memcpy(prompt + 1 + items->passage + filler, passage, (items->passage - items->answer) * sizeof *prompt);
}

static enum qb_status keep_token(void *context, size_t step, const float *hidden, const float *logits,
                                 const struct qb_row_stats *stats, struct qb_error *err)
{
    int32_t *tokens = context;
    (void)hidden, (void)logits, (void)err;
    tokens[step] = stats[0].rank.top[0];
    return QB_OK;
}

/* What `net` writes behind each item's prompt: tokens[count, answer]; and the right answers, where `target` is given.
 */
static enum qb_status answer_all(const struct items *items, struct qb_net *net, int32_t *tokens, int32_t *target,
                                 struct qb_error *err)
{
    const size_t answer = items->answer;
    int32_t *prompt = qb_alloc(lengths[items->fitting - 1], sizeof *prompt, "prompt", err);
    int32_t passage[128];
    for (size_t i = 0; prompt && i < items->count && !err->status; i++) {
        const struct qb_generation g = {prompt, 1, length_of(items, i) - answer, answer};
        draw_passage(items, i, passage);
        write_prompt(items, i, passage, prompt);
        if (target)
            memcpy(target + i * answer, passage + items->passage - answer, answer * sizeof *target);
        if (qb_generate_tokens(net, &g, keep_token, tokens + i * answer, err))
            qb_wrap(err, "item %zu", i);
    }
    qb_free(prompt);
    return err->status;
}

static int32_t *add_tokens(const struct items *items, const char *name, const char *what, struct qb_record *out,
                           struct qb_error *err)
{
    const size_t dims[2] = {items->count, items->answer};
    return err->status ? NULL : qb_record_add(out, name, QB_I32, 2, dims, "token id", what, err);
}

static enum qb_status reference(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    struct items items = {0};
    struct qb_net *net = NULL;
    int32_t *tokens;
    if (skip(env)) /* as every cell that would read it */
        return QB_OK;
    if (!open_items(env, &items, err) &&
        (tokens = add_tokens(&items, "tokens", "generated tokens [item, step]", out, err)) &&
        !qb_cell_fp32(env, &net, err))
        answer_all(&items, net, tokens, NULL, err);
    qb_net_free(net);
    qb_chunk_text_close(&items.text);
    return err->status;
}

static enum qb_status record_items(const struct items *items, struct qb_record *out, struct qb_error *err)
{
    int32_t *chunk = qb_record_add(out, "chunk", QB_I32, 1, &items->count, "1", "chunk of text that it is in", err);
    int32_t *length = chunk ? qb_record_add(out, "length", QB_I32, 1, &items->count, "tokens",
                                            "of the item in all, the answer included", err)
                            : NULL;
    for (size_t i = 0; length && i < items->count; i++) {
        chunk[i] = (int32_t)chunk_of(items, i);
        length[i] = (int32_t)length_of(items, i);
    }
    return err->status;
}

static enum qb_status run(const struct qb_cell_env *env, struct qb_record *out, struct qb_error *err)
{
    const struct qb_array *due = qb_record_get(env->reference, "tokens", QB_I32, 2);
    struct items items = {0};
    if (open_items(env, &items, err))
        goto out;
    if (!due || due->count != items.count * items.answer) {
        qb_fail(err, QB_ERR_INTERNAL, "the reference's record does not fit this run");
        goto out;
    }
    int32_t *theirs = add_tokens(&items, "reference_tokens", "the reference's [item, step]", out, err);
    int32_t *tokens = add_tokens(&items, "tokens", "generated tokens [item, step]", out, err);
    int32_t *target = add_tokens(&items, "target", "the passage's second half [item, step]", out, err);
    if (err->status || record_items(&items, out, err))
        goto out;
    memcpy(theirs, due->data, due->count * sizeof *theirs);
    if (!answer_all(&items, env->prepared->net, tokens, target, err) && env->variant->takes_contexts)
        qb_record_overlap(env->inputs, items.text.tokens, items.text.chunks, items.text.context, out, err);
out:
    qb_chunk_text_close(&items.text);
    return err->status;
}

const struct qb_experiment qb_experiment_recall = {
    .name = "recall",
    .summary = "associative recall: a passage from the start of a context, generated again at its end, exact match",
    .reads = QB_READS_TEXT | QB_READS_AS_LLAMA,
    .net = true,
    .options = options,
    .skip = skip,
    .reference = reference,
    .run = run,
};
