/* Token inputs of a cell. */
#include "run/inputs.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

#define CORPUS_MAX ((size_t)64 << 20) /* bytes of a corpus file */

void qb_inputs_free(struct qb_inputs *inputs)
{
    if (!inputs)
        return;
    qb_free(inputs->prompts);
    qb_free(inputs->text);
    qb_free(inputs->calibration);
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
};

/* ---- text ---- */

static enum qb_status tokenise(const struct qb_words *words, const struct qb_model *model, struct qb_token_file *file,
                               struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = NULL;
    char *data = NULL;
    size_t size = 0;
    if (!model->tokenizer)
        return qb_yaml_fail(words->name, err,
                            "model '%s' has no tokenizer to read text with; use {random: ...} or {greedy: N}",
                            model->name);
    if (qb_file_read(words->file, CORPUS_MAX, &data, &size, err) ||
        qb_tokenizer_open(model->tokenizer, &tokenizer, err) ||
        qb_tokenizer_encode(tokenizer, data, size, 0, &file->tokens, &file->count, err))
        goto out;
    for (size_t i = 0; i < file->count && !err->status; i++)
        if (file->tokens[i] < 0 || (size_t)file->tokens[i] >= model->arch.vocab)
            qb_fail(err, QB_ERR_INPUT, "%s: the tokenizer gives token %d, model '%s' has a vocabulary of %zu",
                    model->tokenizer, file->tokens[i], model->name, model->arch.vocab);
out:
    qb_tokenizer_free(tokenizer);
    qb_free(data);
    return err->status;
}

/* The tokens of a file, read once; owned by the cache. NULL on failure. */
static const struct qb_token_file *corpus(const struct source *src, const struct qb_words *words, struct qb_error *err)
{
    struct qb_token_cache *cache = src->cache;
    for (size_t i = 0; i < cache->count; i++)
        if (strcmp(cache->files[i].path, words->file) == 0)
            return &cache->files[i];
    struct qb_token_file *files = qb_grow(cache->files, cache->count + 1, sizeof *files, "corpora", err);
    if (!files)
        return NULL;
    cache->files = files;
    struct qb_token_file *file = &files[cache->count];
    *file = (struct qb_token_file){0};
    if (tokenise(words, src->model, file, err) || !(file->path = qb_strdup(words->file, err))) {
        qb_free(file->tokens);
        return NULL;
    }
    cache->count++;
    return file;
}

/* Piece i starts at i * floor(N / count) + offset: spread evenly, never overlapping. */
static enum qb_status pieces(const struct source *src, const struct qb_words *words, size_t count, size_t length,
                             size_t offset, int32_t **out, struct qb_error *err)
{
    const struct qb_token_file *file = corpus(src, words, err);
    if (!file)
        return err->status;
    const size_t stride = file->count / count;
    if (stride < length)
        return qb_yaml_fail(words->node, err, "%zu pieces of %zu tokens need %zu tokens, %s has %zu", count, length,
                            count * length, file->path, file->count);
    if (offset > stride - length)
        return qb_yaml_fail(words->node, err,
                            "an offset of %zu: %zu pieces of %s lie %zu tokens apart, so pieces of %zu tokens leave "
                            "room for at most %zu",
                            offset, count, file->path, stride, length, stride - length);
    int32_t *tokens = *out = qb_alloc(count * length, sizeof *tokens, "text", err);
    for (size_t i = 0; tokens && i < count; i++)
        memcpy(tokens + i * length, file->tokens + i * stride + offset, length * sizeof *tokens);
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
    return words->kind == QB_WORDS_RANDOM ? draws(src, words, words->count * words->length, out, err)
                                          : pieces(src, words, words->count, words->length, words->offset, out, err);
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

/* cut: whose context, chunks and offset serve where the words have none. */
static enum qb_status make_text(const struct source *src, const struct qb_words *words,
                                const struct qb_suite_experiment *cut, struct qb_inputs *in, struct qb_error *err)
{
    if (words->kind == QB_WORDS_GREEDY)
        in->text_greedy = words->length;
    if (words->kind != QB_WORDS_CORPUS)
        return QB_OK;
    in->context = words->length ? words->length : cut->context;
    in->chunks = words->count ? words->count : cut->chunks;
    if (src->model->arch.context && in->context > src->model->arch.context)
        return qb_yaml_fail(words->node, err, "a context of %zu tokens; model '%s' has %zu positions", in->context,
                            src->model->name, src->model->arch.context);
    return pieces(src, words, in->chunks, in->context, words->offset == QB_WORDS_OPEN ? cut->offset : words->offset,
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

enum qb_status qb_inputs_make(const struct qb_suite *suite, const struct qb_suite_model *entry,
                              const struct qb_suite_experiment *experiment, const struct qb_model *model,
                              struct qb_token_cache *cache, struct qb_inputs *in, struct qb_error *err)
{
    const struct source src = {suite, model, cache};
    const struct qb_suite_experiment *greedy = lender(suite, "greedy"), *texts = qb_suite_texts(suite, experiment);
    const struct qb_words *prompt = &entry->prompt, *text = &entry->corpus, *calibration = &entry->calibration;
    if (!prompt->kind)
        prompt = experiment->prompt.kind || !greedy ? &experiment->prompt : &greedy->prompt;
    if (!text->kind)
        text = &texts->corpus;
    if (!calibration->kind)
        calibration = &suite->calibration;
    *in = (struct qb_inputs){0};
    if (make_prompt(&src, prompt, in, err) || make_text(&src, text, texts, in, err) ||
        make_calibration(&src, calibration, in, err) || hash_inputs(in, err)) {
        qb_inputs_free(in);
        return qb_wrap(err, "model '%s', experiment '%s'", entry->name, experiment->experiment->name);
    }
    return QB_OK;
}
