/* Token inputs of a cell. */
#include "run/inputs.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"
#include "run/suite_parts.h"

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

/* ---- text ---- */

static enum qb_status tokenise(const struct qb_yaml *node, const char *path, const struct qb_model *model,
                               struct qb_token_file *file, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = NULL;
    char *data = NULL;
    size_t size = 0;
    if (!model->tokenizer)
        return qb_yaml_fail(
            node, err, "model '%s' has no tokenizer to read text with; use {random: ...} or {greedy: N}", model->name);
    enum qb_status s = qb_file_read(path, CORPUS_MAX, &data, &size, err);
    if (!s)
        s = qb_tokenizer_open(model->tokenizer, &tokenizer, err);
    if (!s)
        s = qb_tokenizer_encode(tokenizer, data, size, &file->tokens, &file->count, err);
    for (size_t i = 0; !s && i < file->count; i++)
        if (file->tokens[i] < 0 || (size_t)file->tokens[i] >= model->arch.vocab)
            s = qb_fail(err, QB_ERR_INPUT, "%s: the tokenizer gives token %d, model '%s' has a vocabulary of %zu",
                        model->tokenizer, file->tokens[i], model->name, model->arch.vocab);
    qb_tokenizer_free(tokenizer);
    qb_free(data);
    return s;
}

/* The tokens of the file that node names, read once. */
static enum qb_status corpus(const struct qb_suite *suite, const struct qb_yaml *node, const struct qb_model *model,
                             struct qb_token_cache *cache, const struct qb_token_file **out, struct qb_error *err)
{
    char path[4096];
    if (qb_suite_file(suite, node, path, err))
        return err->status;
    for (size_t i = 0; i < cache->count; i++)
        if (strcmp(cache->files[i].path, path) == 0) {
            *out = &cache->files[i];
            return QB_OK;
        }
    struct qb_token_file *files = qb_alloc(cache->count + 1, sizeof *files, "corpora", err);
    if (!files)
        return err->status;
    if (cache->count)
        memcpy(files, cache->files, cache->count * sizeof *files);
    qb_free(cache->files);
    cache->files = files;
    struct qb_token_file *file = &files[cache->count];
    enum qb_status s = tokenise(node, path, model, file, err);
    if (!s && !(file->path = qb_strdup(path, err)))
        s = err->status;
    if (s) {
        qb_free(file->tokens);
        return s;
    }
    cache->count++;
    *out = file;
    return QB_OK;
}

/* Which pieces of a corpus: inputs.h. */
struct cut {
    size_t count, length, offset;
};

/* Piece i starts at i * floor(N / count) + offset: spread evenly, never overlapping. */
static enum qb_status pieces(const struct qb_yaml *node, const struct qb_token_file *file, const struct cut *cut,
                             int32_t **out, struct qb_error *err)
{
    const size_t count = cut->count, length = cut->length, stride = file->count / count;
    if (stride < length)
        return qb_yaml_fail(node, err, "%zu pieces of %zu tokens need %zu tokens, %s has %zu", count, length,
                            count * length, file->path, file->count);
    if (cut->offset > stride - length)
        return qb_yaml_fail(node, err,
                            "an offset of %zu: %zu pieces of %s lie %zu tokens apart, so pieces of %zu tokens leave "
                            "room for at most %zu",
                            cut->offset, count, file->path, stride, length, stride - length);
    int32_t *tokens = qb_alloc(count * length, sizeof *tokens, "text", err);
    if (!tokens)
        return err->status;
    for (size_t i = 0; i < count; i++)
        memcpy(tokens + i * length, file->tokens + i * stride + cut->offset, length * sizeof *tokens);
    *out = tokens;
    return QB_OK;
}

/* ---- random tokens ---- */

struct source {
    const struct qb_suite *suite;
    const struct qb_model *model;
    struct qb_token_cache *cache;
};

static enum qb_status draws(const struct source *src, const struct qb_yaml *map, size_t n, int32_t **out,
                            struct qb_error *err)
{
    const struct qb_model *model = src->model;
    const struct qb_yaml *seed = map ? qb_yaml_get(map, "seed") : NULL;
    struct qb_rng rng = model->rng;
    int64_t number = 0;
    if (seed && strcmp(seed->scalar, "model") != 0) {
        if (qb_yaml_int(seed, 0, UINT32_MAX, &number, err))
            return err->status;
        qb_rng_seed(&rng, (uint32_t)number);
    } else if (!model->generated) {
        qb_rng_seed(&rng, src->suite->seed); /* a file has no draws of its own to continue */
    }
    int32_t *tokens = qb_alloc(n, sizeof *tokens, "random tokens", err);
    if (!tokens)
        return err->status;
    for (size_t i = 0; i < n; i++)
        tokens[i] = (int32_t)qb_rng_randint(&rng, (uint32_t)model->arch.vocab);
    *out = tokens;
    return QB_OK;
}

/* ---- the three inputs ---- */

static enum qb_status make_prompt(const struct source *src, const struct qb_yaml *node, struct qb_inputs *in,
                                  struct qb_error *err)
{
    const struct qb_token_file *file = NULL;
    const struct qb_yaml *name = qb_yaml_get(node, "corpus");
    size_t offset = 0;
    if (!name) {
        in->prompt_count = 1;
        if (qb_suite_count(node, "random", 1, 1 << 20, true, &in->prompt_length, err))
            return err->status;
        return draws(src, node, in->prompt_length, &in->prompts, err);
    }
    if (qb_suite_count(node, "count", 1, 1 << 16, true, &in->prompt_count, err) ||
        qb_suite_count(node, "length", 1, 1 << 20, true, &in->prompt_length, err) ||
        qb_suite_count(node, "offset", 0, 1 << 30, false, &offset, err) ||
        corpus(src->suite, name, src->model, src->cache, &file, err))
        return err->status;
    return pieces(node, file, &(struct cut){in->prompt_count, in->prompt_length, offset}, &in->prompts, err);
}

static enum qb_status make_text(const struct source *src, const struct qb_yaml *node, size_t offset,
                                struct qb_inputs *in, struct qb_error *err)
{
    const struct qb_token_file *file = NULL;
    const struct qb_yaml *name = node;
    if (node->kind == QB_YAML_MAP) {
        if (qb_yaml_get(node, "greedy")) {
            in->chunks = in->context = 0;
            return qb_suite_count(node, "greedy", 1, 1 << 20, true, &in->text_greedy, err);
        }
        name = qb_yaml_get(node, "file");
        if (qb_suite_count(node, "context", 2, 1 << 20, false, &in->context, err) ||
            qb_suite_count(node, "chunks", 1, 1 << 20, false, &in->chunks, err) ||
            qb_suite_count(node, "offset", 0, 1 << 30, false, &offset, err))
            return err->status;
    }
    if (src->model->arch.context && in->context > src->model->arch.context)
        return qb_yaml_fail(node, err, "a context of %zu tokens; model '%s' has %zu positions", in->context,
                            src->model->name, src->model->arch.context);
    if (corpus(src->suite, name, src->model, src->cache, &file, err))
        return err->status;
    return pieces(node, file, &(struct cut){in->chunks, in->context, offset}, &in->text, err);
}

static enum qb_status make_calibration(const struct source *src, const struct qb_yaml *node, struct qb_inputs *in,
                                       struct qb_error *err)
{
    const struct qb_token_file *file = NULL;
    const struct qb_yaml *name = node ? qb_yaml_get(node, "corpus") : NULL;
    size_t offset = 0;
    if (!node && !src->model->generated)
        return QB_OK;
    in->calibration_contexts = 50; /* the source's own contexts, source-protocols 3 */
    in->calibration_length = 20;
    if (node && (qb_suite_count(node, name ? "contexts" : "random", 1, 1 << 16, true, &in->calibration_contexts, err) ||
                 qb_suite_count(node, "length", 1, 1 << 16, true, &in->calibration_length, err)))
        return err->status;
    if (!name)
        return draws(src, node, in->calibration_contexts * in->calibration_length, &in->calibration, err);
    if (qb_suite_count(node, "offset", 0, 1 << 30, false, &offset, err) ||
        corpus(src->suite, name, src->model, src->cache, &file, err))
        return err->status;
    return pieces(node, file, &(struct cut){in->calibration_contexts, in->calibration_length, offset}, &in->calibration,
                  err);
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
    return experiment->corpus || !forced ? experiment : forced;
}

enum qb_status qb_inputs_make(const struct qb_suite *suite, const struct qb_suite_model *entry,
                              const struct qb_suite_experiment *experiment, const struct qb_model *model,
                              struct qb_token_cache *cache, struct qb_inputs *in, struct qb_error *err)
{
    const struct source src = {suite, model, cache};
    const struct qb_suite_experiment *greedy = lender(suite, "greedy");
    const struct qb_yaml *prompt = entry->prompt        ? entry->prompt
                                   : experiment->prompt ? experiment->prompt
                                   : greedy             ? greedy->prompt
                                                        : NULL;
    const struct qb_suite_experiment *texts = qb_suite_texts(suite, experiment);
    const struct qb_yaml *text = entry->corpus ? entry->corpus : texts->corpus;
    const struct qb_yaml *calibration = entry->calibration ? entry->calibration : suite->calibration;
    *in = (struct qb_inputs){.context = texts->context, .chunks = texts->chunks};
    enum qb_status s = prompt ? make_prompt(&src, prompt, in, err) : QB_OK;
    if (!s && text)
        s = make_text(&src, text, texts->offset, in, err);
    else
        in->context = in->chunks = 0;
    if (!s)
        s = make_calibration(&src, calibration, in, err);
    if (!s)
        s = hash_inputs(in, err);
    if (s) {
        qb_inputs_free(in);
        return qb_wrap(err, "model '%s', experiment '%s'", entry->name, experiment->experiment->name);
    }
    return QB_OK;
}
