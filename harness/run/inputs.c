/* Token inputs of a cell. */
#include "run/inputs.h"

#include <string.h>

#include "base/mem.h"
#include "metric/logits_base.h"
#include "run/task_inputs.h"

void qb_inputs_free(struct qb_inputs *inputs)
{
    if (!inputs)
        return;
    qb_free(inputs->prompts);
    qb_free(inputs->text);
    qb_free(inputs->base);
    qb_free(inputs->calibration);
    qb_tasks_free(inputs->tasks);
    *inputs = (struct qb_inputs){0};
}

void qb_token_cache_free(struct qb_token_cache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        qb_free(cache->files[i].path);
        qb_free(cache->files[i].tokens);
    }
    qb_free(cache->files);
    *cache = (struct qb_token_cache){0};
}

struct source {
    const struct qb_suite *suite;
    const struct qb_model *model;
    struct qb_token_cache *cache;
    bool as_llama; /* QB_READS_AS_LLAMA */
};

/* ---- text ---- */

static struct qb_token_form form_of(const struct source *src, const struct qb_words *words)
{
    return (struct qb_token_form){words->ids, words->special, src->as_llama};
}

static bool same_form(struct qb_token_form a, struct qb_token_form b)
{
    return a.ids == b.ids && a.special == b.special && a.affixes == b.affixes;
}

/* The tokens of a file, read once; owned by the cache. NULL on failure. */
static const struct qb_token_file *corpus(const struct source *src, const struct qb_words *words, struct qb_error *err)
{
    struct qb_token_cache *cache = src->cache;
    const struct qb_token_form form = form_of(src, words);
    if (!src->model->tokenizer && !words->ids) {
        qb_yaml_fail(
            words->name, err,
            "model '%s' has no tokenizer to read text with (a folder has it as tokenizer.json); name one by the "
            "model's key 'tokenizer', or use {tokens: FILE}, or {greedy: N} with a prompt of {random: N, seed: S}",
            src->model->name);
        return NULL;
    }
    for (size_t i = 0; i < cache->count; i++)
        if (strcmp(cache->files[i].path, words->file) == 0 && same_form(cache->files[i].form, form))
            return &cache->files[i];
    struct qb_token_file *files = qb_grow(cache->files, cache->count + 1, sizeof *files, "corpora", err);
    if (!files)
        return NULL;
    cache->files = files;
    struct qb_token_file *file = &files[cache->count];
    *file = (struct qb_token_file){.form = form};
    if (qb_token_file_read(src->model, words->file, form, &file->tokens, &file->count, err) ||
        !(file->path = qb_strdup(words->file, err))) {
        qb_free(file->tokens);
        return NULL;
    }
    cache->count++;
    return file;
}

/* Piece i of a text starts at i * stride + offset; stride is `length` where they follow one another. */
struct cut {
    size_t count, length, offset;
    bool consecutive;
};

static enum qb_status check_cut(const struct qb_token_file *file, const struct qb_words *words, const struct cut *cut,
                                size_t stride, struct qb_error *err)
{
    const size_t all = cut->count * cut->length;
    if (file->count / cut->count < cut->length)
        return qb_yaml_fail(
            words->node, err,
            "%zu pieces of %zu tokens need %zu tokens, %s has %zu: room for %zu (the experiment's options "
            "say how many and how long)",
            cut->count, cut->length, all, file->path, file->count, file->count / cut->length);
    if (cut->consecutive && cut->offset > file->count - all)
        return qb_yaml_fail(words->node, err,
                            "an offset of %zu: %zu pieces of %zu tokens that follow one another leave room for at most "
                            "%zu in %s, which has %zu tokens",
                            cut->offset, cut->count, cut->length, file->count - all, file->path, file->count);
    if (!cut->consecutive && cut->offset > stride - cut->length)
        return qb_yaml_fail(words->node, err,
                            "an offset of %zu: %zu pieces of %s lie %zu tokens apart, so pieces of %zu tokens leave "
                            "room for at most %zu",
                            cut->offset, cut->count, file->path, stride, cut->length, stride - cut->length);
    return QB_OK;
}

static enum qb_status pieces(const struct source *src, const struct qb_words *words, const struct cut *cut,
                             int32_t **out, struct qb_error *err)
{
    const struct qb_token_file *file = corpus(src, words, err);
    const size_t length = cut->length, stride = cut->consecutive || !file ? length : file->count / cut->count;
    if (!file || check_cut(file, words, cut, stride, err))
        return err->status;
    int32_t *tokens = *out = qb_alloc(cut->count * length, sizeof *tokens, "text", err);
    for (size_t i = 0; tokens && i < cut->count; i++)
        memcpy(tokens + i * length, file->tokens + i * stride + cut->offset, length * sizeof *tokens);
    return err->status;
}

/* ---- random tokens ---- */

static enum qb_status draws(const struct source *src, const struct qb_words *words, size_t n, int32_t **out,
                            struct qb_error *err)
{
    struct qb_rng rng = src->model->rng;
    if (words->seeded)
        qb_rng_seed(&rng, words->seed);
    else if (!src->model->generated)
        qb_rng_seed(&rng, src->suite->seed); /* a file has no draws of its own to continue */
    int32_t *tokens = *out = qb_alloc(n, sizeof *tokens, "random tokens", err);
    for (size_t i = 0; tokens && i < n; i++)
        tokens[i] = (int32_t)qb_rng_randint(&rng, (uint32_t)src->model->arch.vocab);
    return err->status;
}

/* words->count pieces of words->length tokens. */
static enum qb_status tokens_of(const struct source *src, const struct qb_words *words, int32_t **out,
                                struct qb_error *err)
{
    return words->kind == QB_WORDS_RANDOM
               ? draws(src, words, words->count * words->length, out, err)
               : pieces(src, words, &(struct cut){words->count, words->length, words->offset, false}, out, err);
}

/* ---- the three inputs ---- */

static enum qb_status make_prompt(const struct source *src, const struct qb_words *words, struct qb_inputs *in,
                                  struct qb_error *err)
{
    if (!words->kind)
        return QB_OK;
    in->prompt_count = words->count;
    in->prompt_length = words->length;
    return tokens_of(src, words, &in->prompts, err);
}

/* The text, context and chunks of a logits base file. */
static enum qb_status base_text(const struct source *src, const struct qb_words *words, struct qb_inputs *in,
                                struct qb_error *err)
{
    struct qb_logits_base base = {0};
    if (qb_logits_base_open(words->file, &base, err))
        goto out;
    if (base.vocab != src->model->arch.vocab) {
        qb_yaml_fail(words->node, err, "%s is of a vocabulary of %zu tokens, model '%s' has %zu", words->file,
                     base.vocab, src->model->name, src->model->arch.vocab);
        goto out;
    }
    in->context = base.context;
    in->chunks = base.chunks;
    in->text = qb_alloc(in->chunks * in->context, sizeof *in->text, "text", err);
    if (!in->text || !(in->base = qb_strdup(words->file, err)))
        goto out;
    qb_logits_base_tokens(&base, in->text);
    qb_hash_buffer(base.map.data, base.map.size, in->base_sha256);
out:
    qb_logits_base_close(&base);
    return err->status;
}

static enum qb_status check_context(const struct source *src, const struct qb_words *words, size_t context,
                                    struct qb_error *err)
{
    if (src->model->arch.context && context > src->model->arch.context)
        return qb_yaml_fail(words->node, err, "a context of %zu tokens; model '%s' has %zu positions", context,
                            src->model->name, src->model->arch.context);
    return QB_OK;
}

static bool has_bos(const struct source *src, const struct qb_words *words)
{
    return src->as_llama && (words->kind == QB_WORDS_CORPUS || words->kind == QB_WORDS_BASE);
}

/* cut: whose context, chunks, offset and spread serve where the words have none. */
static enum qb_status make_text(const struct source *src, const struct qb_words *words,
                                const struct qb_suite_experiment *cut, struct qb_inputs *in, struct qb_error *err)
{
    if (words->kind == QB_WORDS_GREEDY)
        in->text_greedy = words->length;
    if (has_bos(src, words) && qb_token_bos(src->model, &in->bos, err))
        return err->status;
    if (words->kind == QB_WORDS_BASE)
        return base_text(src, words, in, err) ? err->status : check_context(src, words, in->context, err);
    if (words->kind != QB_WORDS_CORPUS)
        return QB_OK;
    in->context = words->length ? words->length : cut->context;
    in->chunks = words->count ? words->count : cut->chunks;
    const enum qb_words_spread spread = words->spread ? words->spread : cut->spread;
    return check_context(src, words, in->context, err)
               ? err->status
               : pieces(src, words,
                        &(struct cut){in->chunks, in->context,
                                      words->offset == QB_WORDS_OPEN ? cut->offset : words->offset,
                                      spread == QB_SPREAD_NONE},
                        &in->text, err);
}

static enum qb_status make_calibration(const struct source *src, const struct qb_words *words, struct qb_inputs *in,
                                       struct qb_error *err)
{
    /* the source's own contexts, source-protocols 3 */
    static const struct qb_words usual = {.kind = QB_WORDS_RANDOM, .count = 50, .length = 20};
    if (!words->kind && !src->model->generated)
        return QB_OK;
    words = words->kind ? words : &usual;
    in->calibration_contexts = words->count;
    in->calibration_length = words->length;
    return tokens_of(src, words, &in->calibration, err);
}

static enum qb_status make_tasks(const struct source *src, const struct qb_suite_experiment *experiment,
                                 struct qb_inputs *in, struct qb_error *err)
{
    if (!(experiment->experiment->reads & QB_READS_TASKS))
        return QB_OK;
    if (experiment->task_count == 0)
        return qb_yaml_fail(experiment->node, err, "expected the key 'tasks', such as {kjv: data/tasks/kjv.jsonl}");
    return qb_task_inputs_make(src->model, experiment->tasks, experiment->task_count, &in->tasks, err);
}

static enum qb_status hash_inputs(struct qb_inputs *in, struct qb_error *err)
{
    const uint64_t shape[] = {in->prompt_count, in->prompt_length,        in->text ? in->chunks : 0, in->context,
                              in->text_greedy,  in->calibration_contexts, in->calibration_length};
    struct qb_hash *hash = qb_hash_new();
    if (!hash)
        return qb_fail(err, QB_ERR_MEMORY, "no memory for a hash");
    qb_hash_bytes(hash, shape, sizeof shape);
    qb_hash_bytes(hash, in->prompts, qb_size_of(in->prompts));
    qb_hash_bytes(hash, in->text, qb_size_of(in->text));
    qb_hash_bytes(hash, in->calibration, qb_size_of(in->calibration));
    if (in->bos >= 0) {
        qb_hash_text(hash, "bos");
        qb_hash_bytes(hash, &in->bos, sizeof in->bos);
    }
    if (in->base)
        qb_hash_text(hash, in->base_sha256);
    if (in->tasks)
        qb_tasks_hash(in->tasks, hash);
    qb_hash_hex(hash, in->sha256);
    return QB_OK;
}

/* An input word that the experiment itself lacks is borrowed from the experiment that owns it. */
static const struct qb_suite_experiment *lender(const struct qb_suite *suite, const char *name)
{
    for (size_t i = 0; i < suite->experiment_count; i++)
        if (strcmp(suite->experiments[i].experiment->name, name) == 0)
            return &suite->experiments[i];
    return NULL;
}

const struct qb_suite_experiment *qb_suite_texts(const struct qb_suite *suite,
                                                 const struct qb_suite_experiment *experiment)
{
    const struct qb_suite_experiment *forced = lender(suite, "teacher-forced");
    return experiment->corpus.kind || !forced ? experiment : forced;
}

const struct qb_words *qb_suite_prompts(const struct qb_suite *suite, const struct qb_suite_model *model,
                                        const struct qb_suite_experiment *experiment)
{
    const struct qb_suite_experiment *greedy = lender(suite, "greedy");
    if (model->prompt.kind)
        return &model->prompt;
    return experiment->prompt.kind || !greedy ? &experiment->prompt : &greedy->prompt;
}

enum qb_status qb_inputs_make(const struct qb_suite *suite, const struct qb_suite_model *entry,
                              const struct qb_suite_experiment *experiment, const struct qb_model *model,
                              struct qb_token_cache *cache, struct qb_inputs *in, struct qb_error *err)
{
    const struct source src = {suite, model, cache, experiment->experiment->reads & QB_READS_AS_LLAMA};
    const struct qb_suite_experiment *texts = qb_suite_texts(suite, experiment);
    const struct qb_words *prompt = qb_suite_prompts(suite, entry, experiment), *text = &entry->corpus,
                          *calibration = &entry->calibration;
    if (!text->kind)
        text = &texts->corpus;
    if (!calibration->kind)
        calibration = &suite->calibration;
    *in = (struct qb_inputs){.bos = -1};
    if (make_prompt(&src, prompt, in, err) || make_text(&src, text, texts, in, err) ||
        make_calibration(&src, calibration, in, err) || make_tasks(&src, experiment, in, err) || hash_inputs(in, err)) {
        qb_inputs_free(in);
        return qb_wrap(err, "model '%s', experiment '%s'", entry->name, experiment->experiment->name);
    }
    return QB_OK;
}
