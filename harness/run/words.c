#include "run/words.h"

#include <string.h>

#include "base/mem.h"
#include "run/suite_parts.h"

enum { TOKENS_MAX = 1 << 20, PIECES_MAX = 1 << 16, OFFSET_MAX = 1 << 30 };

void qb_words_free(struct qb_words *words)
{
    qb_free(words->file);
    *words = (struct qb_words){0};
}

/* seed: model | integer. */
static enum qb_status read_seed(const struct qb_yaml *map, bool generated, struct qb_words *words, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "seed");
    int64_t number = 0;
    words->kind = QB_WORDS_RANDOM;
    words->seeded = node && !(node->kind == QB_YAML_SCALAR && strcmp(node->scalar, "model") == 0);
    if (!words->seeded && !generated)
        return qb_yaml_fail(
            node ? node : map, err,
            "the random tokens of a model from a file need a seed of their own, as in {random: 8, seed: 1}");
    if (words->seeded && qb_yaml_int(node, 0, UINT32_MAX, &number, err))
        return qb_wrap(err, "seed is 'model' or a number");
    words->seed = (uint32_t)number;
    return QB_OK;
}

static enum qb_status read_file(const struct qb_suite *suite, const struct qb_yaml *name, struct qb_words *words,
                                struct qb_error *err)
{
    char path[4096];
    words->kind = QB_WORDS_CORPUS;
    words->name = name;
    if (qb_suite_file(suite, name, path, err))
        return err->status;
    words->file = qb_strdup(path, err);
    return err->status;
}

enum qb_status qb_words_prompt(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                               struct qb_words *words, struct qb_error *err)
{
    static const char *const random_keys[] = {"random", "seed", NULL};
    static const char *const corpus_keys[] = {"corpus", "count", "length", "offset", NULL};
    *words = (struct qb_words){.node = node, .count = 1};
    if (!node || qb_yaml_expect(node, QB_YAML_MAP, err))
        return err->status;
    if (qb_yaml_get(node, "random"))
        return qb_yaml_known(node, random_keys, err) ||
                       qb_suite_count(node, "random", 1, TOKENS_MAX, true, &words->length, err)
                   ? err->status
                   : read_seed(node, generated, words, err);
    if (!qb_yaml_get(node, "corpus"))
        return qb_yaml_fail(node, err,
                            "expected {random: N, seed: model|N} or {corpus: FILE, count: N, length: N, offset: N}");
    if (qb_yaml_known(node, corpus_keys, err) ||
        qb_suite_count(node, "count", 1, PIECES_MAX, true, &words->count, err) ||
        qb_suite_count(node, "length", 1, TOKENS_MAX, true, &words->length, err) ||
        qb_suite_count(node, "offset", 0, OFFSET_MAX, false, &words->offset, err))
        return err->status;
    return read_file(suite, qb_yaml_get(node, "corpus"), words, err);
}

/* spread: true | false, as given. */
enum qb_status qb_words_spread(const struct qb_yaml *map, enum qb_words_spread *spread, struct qb_error *err)
{
    const struct qb_yaml *node = qb_yaml_get(map, "spread");
    bool even = false;
    if (!node || qb_yaml_bool(node, &even, err))
        return err->status;
    *spread = even ? QB_SPREAD_EVEN : QB_SPREAD_NONE;
    return QB_OK;
}

/* A map that names a file of text or of token ids. */
static enum qb_status read_cut(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_words *words,
                               struct qb_error *err)
{
    static const char *const text_keys[] = {"file", "context", "chunks", "offset", "spread", "special", NULL};
    static const char *const ids_keys[] = {"tokens", "context", "chunks", "offset", "spread", NULL};
    words->ids = qb_yaml_get(node, "tokens");
    const struct qb_yaml *special = words->ids ? NULL : qb_yaml_get(node, "special");
    if (qb_yaml_known(node, words->ids ? ids_keys : text_keys, err) ||
        qb_suite_count(node, "context", 2, TOKENS_MAX, false, &words->length, err) ||
        qb_suite_count(node, "chunks", 1, TOKENS_MAX, false, &words->count, err) ||
        qb_suite_count(node, "offset", 0, OFFSET_MAX, false, &words->offset, err) ||
        qb_words_spread(node, &words->spread, err) || (special && qb_yaml_bool(special, &words->special, err)))
        return err->status;
    return read_file(suite, qb_yaml_get(node, words->ids ? "tokens" : "file"), words, err);
}

#define TEXT_FORMS                                                                                                     \
    "a file, {file: FILE, context: N, chunks: N, offset: N, spread: BOOL, special: BOOL}, {tokens: FILE, ...}, "       \
    "{base: FILE} or {greedy: N}"

enum qb_status qb_words_text(const struct qb_suite *suite, const struct qb_yaml *node, struct qb_words *words,
                             struct qb_error *err)
{
    static const char *const greedy_keys[] = {"greedy", NULL}, *const base_keys[] = {"base", NULL};
    *words = (struct qb_words){.node = node, .offset = QB_WORDS_OPEN};
    if (!node)
        return QB_OK;
    if (node->kind == QB_YAML_SCALAR)
        return read_file(suite, node, words, err);
    if (qb_yaml_expect(node, QB_YAML_MAP, err))
        return qb_wrap(err, "a corpus is " TEXT_FORMS);
    if (qb_yaml_get(node, "greedy")) {
        words->kind = QB_WORDS_GREEDY;
        return qb_yaml_known(node, greedy_keys, err)
                   ? err->status
                   : qb_suite_count(node, "greedy", 1, TOKENS_MAX, true, &words->length, err);
    }
    if (qb_yaml_get(node, "base")) {
        if (!qb_yaml_known(node, base_keys, err) && !read_file(suite, qb_yaml_get(node, "base"), words, err))
            words->kind = QB_WORDS_BASE;
        return err->status;
    }
    if (!qb_yaml_get(node, "file") && !qb_yaml_get(node, "tokens"))
        return qb_yaml_fail(node, err, "expected " TEXT_FORMS);
    return read_cut(suite, node, words, err);
}

enum qb_status qb_words_calibration(const struct qb_suite *suite, const struct qb_yaml *node, bool generated,
                                    struct qb_words *words, struct qb_error *err)
{
    static const char *const random_keys[] = {"random", "length", "seed", NULL};
    static const char *const corpus_keys[] = {"corpus", "contexts", "length", "offset", NULL};
    *words = (struct qb_words){.node = node};
    if (!node || qb_yaml_expect(node, QB_YAML_MAP, err))
        return err->status;
    bool random = qb_yaml_get(node, "random") != NULL;
    if (!random && !qb_yaml_get(node, "corpus"))
        return qb_yaml_fail(node, err,
                            "expected {random: N, length: N} or {corpus: FILE, contexts: N, length: N, offset: N}");
    if (qb_yaml_known(node, random ? random_keys : corpus_keys, err) ||
        qb_suite_count(node, random ? "random" : "contexts", 1, PIECES_MAX, true, &words->count, err) ||
        qb_suite_count(node, "length", 1, PIECES_MAX, true, &words->length, err) ||
        qb_suite_count(node, "offset", 0, OFFSET_MAX, false, &words->offset, err))
        return err->status;
    return random ? read_seed(node, generated, words, err) : read_file(suite, qb_yaml_get(node, "corpus"), words, err);
}
