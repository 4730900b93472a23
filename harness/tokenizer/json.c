/* Reading a tokenizer.json (tokenizers library, docs "Tokenizer"): what this tokenizer would not do the same way is
 * refused by name. */
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

#define FILE_MAX ((size_t)64 << 20)

static bool absent(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    return !value || json_is_null(value) || json_is_false(value) || (text && !*text) ||
           (json_is_number(value) && !(json_number_value(value) > 0));
}

/* ---- vocabulary ---- */

/* Ids may have gaps, but not so many that a small file asks for a large table. */
static enum qb_status check_id(const json_t *id, size_t tokens, const char *what, const char *text,
                               struct qb_error *err)
{
    json_int_t value = json_integer_value(id);
    if (!json_is_integer(id) || value < 0 || (size_t)value >= 2 * tokens + 65536)
        return qb_fail(err, QB_ERR_INPUT, "%s: token '%.*s' needs an id from 0 to %zu", what, QB_UPTO(64, text),
                       2 * tokens + 65535);
    return QB_OK;
}

static enum qb_token_kind kind_of(const struct qb_tokenizer *tokenizer, const char *text, size_t size)
{
    return tokenizer->byte_fallback && size == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>' ? QB_TOKEN_BYTE
                                                                                                  : QB_TOKEN_TEXT;
}

static enum qb_status read_vocab(const json_t *vocab, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    size_t count = json_object_size(vocab);
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)vocab, text, id)
    {
        size_t at = (size_t)json_integer_value(id), size = strlen(text);
        if (check_id(id, count, "model.vocab", text, err))
            return err->status;
        if (at < tokenizer->vocab.count && tokenizer->vocab.tokens[at].kind != QB_TOKEN_NONE)
            return qb_fail(err, QB_ERR_INPUT, "model.vocab: token '%.*s' has an id that another has, %zu",
                           QB_UPTO(64, text), at);
        if (qb_tokenizer_put(tokenizer, at, text, size, kind_of(tokenizer, text, size), err))
            return qb_wrap(err, "model.vocab");
    }
    return QB_OK;
}

static enum qb_status read_pieces(const json_t *vocab, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    size_t count = json_array_size(vocab);
    tokenizer->scores = qb_alloc(count, sizeof *tokenizer->scores, "token scores", err);
    for (size_t i = 0; i < count && !err->status; i++) {
        const json_t *text = json_array_get(json_array_get(vocab, i), 0);
        const json_t *score = json_array_get(json_array_get(vocab, i), 1);
        if (!json_is_string(text) || !json_is_number(score))
            return qb_fail(err, QB_ERR_INPUT, "model.vocab: entry %zu, expected [token, score]", i);
        size_t size = json_string_length(text);
        tokenizer->scores[i] = json_number_value(score);
        qb_tokenizer_put(tokenizer, i, json_string_value(text), size, kind_of(tokenizer, json_string_value(text), size),
                         err);
    }
    return err->status;
}

/* ---- merges ---- */

/* "left right", cut at U+0020 alone and only one may be there, or ["left", "right"]. */
static enum qb_status read_merge(const json_t *merge, size_t rank, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    const json_t *left = json_is_array(merge) ? json_array_get(merge, 0) : merge, *right = json_array_get(merge, 1);
    const char *text = json_string_value(left);
    size_t size = json_string_length(left);
    if (json_is_array(merge) && text && json_is_string(right) && json_array_size(merge) == 2)
        return qb_tokenizer_merge(tokenizer, rank, text, size, json_string_value(right), json_string_length(right),
                                  err);
    const char *space = text && !json_is_array(merge) ? memchr(text, ' ', size) : NULL;
    size_t first = space ? (size_t)(space - text) : 0;
    if (!space || memchr(space + 1, ' ', size - first - 1))
        return qb_fail(err, QB_ERR_INPUT, "merges: entry %zu is no pair of tokens", rank);
    return qb_tokenizer_merge(tokenizer, rank, text, first, space + 1, size - first - 1, err);
}

static enum qb_status read_merges(const json_t *merges, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    size_t count = json_array_size(merges);
    if (qb_tokenizer_merges(tokenizer, count, err))
        return err->status;
    for (size_t i = 0; i < count && !err->status; i++)
        read_merge(json_array_get(merges, i), i, tokenizer, err);
    return err->status;
}

/* ---- model ---- */

static enum qb_status read_unknown(const json_t *model, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    const json_t *id = json_object_get(model, "unk_id"), *text = json_object_get(model, "unk_token");
    if (json_is_integer(id) && json_integer_value(id) >= 0 && (size_t)json_integer_value(id) < tokenizer->vocab.count)
        tokenizer->unknown = (int32_t)json_integer_value(id);
    else if (json_is_string(text))
        tokenizer->unknown = qb_vocab_find(&tokenizer->vocab, json_string_value(text), json_string_length(text));
    if (tokenizer->unknown < 0 && (!absent(model, "unk_id") || !absent(model, "unk_token")))
        return qb_fail(err, QB_ERR_INPUT, "model: the unknown token is not in the vocabulary");
    return QB_OK;
}

static enum qb_status read_model(const json_t *model, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix", NULL};
    const json_t *vocab = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    const char *type = json_string_value(json_object_get(model, "type"));
    bool unigram = type ? strcmp(type, "Unigram") == 0 : json_is_array(vocab);
    if (type && !unigram && strcmp(type, "BPE") != 0)
        return qb_fail(err, QB_ERR_INPUT, "model.type: '%.*s', expected " QB_TOKENIZER_JSON_KINDS, QB_UPTO(64, type));
    if (unigram ? !json_is_array(vocab) || tokenizer->byte_level : !json_is_object(vocab) || !json_is_array(merges))
        return qb_fail(err, QB_ERR_INPUT,
                       "model: expected vocab and merges (BPE), or a list of tokens and scores "
                       "without ByteLevel (Unigram)");
    for (size_t i = 0; off[i]; i++)
        if (!absent(model, off[i]))
            return qb_fail(err, QB_ERR_INPUT, "model.%s: expected none", off[i]);
    tokenizer->model = unigram ? QB_MODEL_UNIGRAM : QB_MODEL_MERGES;
    tokenizer->byte_fallback = json_is_true(json_object_get(model, "byte_fallback"));
    tokenizer->fuse_unknown = unigram || json_is_true(json_object_get(model, "fuse_unk"));
    tokenizer->whole_first = json_is_true(json_object_get(model, "ignore_merges"));
    if ((unigram ? read_pieces : read_vocab)(vocab, tokenizer, err) || qb_tokenizer_index(tokenizer, err) ||
        read_unknown(model, tokenizer, err))
        return err->status;
    return unigram ? QB_OK : read_merges(merges, tokenizer, err);
}

/* ---- added tokens ---- */

static enum qb_status read_added(const json_t *entry, size_t tokens, struct qb_tokenizer *tokenizer,
                                 struct qb_error *err)
{
    const json_t *text = json_object_get(entry, "content"), *normalized = json_object_get(entry, "normalized");
    const json_t *id = json_object_get(entry, "id");
    if (!json_is_string(text))
        return qb_fail(err, QB_ERR_INPUT, "added_tokens: expected a text 'content'");
    struct qb_added added = {.text = (char *)(uintptr_t)json_string_value(text),
                             .size = json_string_length(text),
                             .control = json_is_true(json_object_get(entry, "special")),
                             .single_word = json_is_true(json_object_get(entry, "single_word")),
                             .left = json_is_true(json_object_get(entry, "lstrip")),
                             .right = json_is_true(json_object_get(entry, "rstrip"))};
    if (check_id(id, tokens, "added_tokens", added.text, err))
        return err->status;
    added.id = (int32_t)json_integer_value(id);
    added.normalized = json_is_boolean(normalized) ? json_is_true(normalized) : !added.control;
    enum qb_token_kind kind = added.control ? QB_TOKEN_CONTROL : QB_TOKEN_ADDED;
    struct qb_vocab *vocab = &tokenizer->vocab;
    if ((size_t)added.id < vocab->count && vocab->tokens[added.id].kind != QB_TOKEN_NONE)
        vocab->tokens[added.id].kind = (uint8_t)kind; /* of the model, too */
    else if (qb_vocab_put(vocab, (size_t)added.id, added.text, added.size, kind, false, err))
        return qb_wrap(err, "added_tokens");
    return qb_tokenizer_add(tokenizer, &added, err) ? qb_wrap(err, "added_tokens") : QB_OK;
}

static enum qb_status read_root(const json_t *root, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    const json_t *added = json_object_get(root, "added_tokens");
    if (!json_is_object(root))
        return qb_fail(err, QB_ERR_INPUT, "expected an object");
    if (qb_json_normalizer(tokenizer, json_object_get(root, "normalizer"), err) ||
        qb_json_pre_tokenizer(tokenizer, json_object_get(root, "pre_tokenizer"), err) ||
        qb_json_decoder(tokenizer, json_object_get(root, "decoder"), err) ||
        read_model(json_object_get(root, "model"), tokenizer, err))
        return err->status;
    size_t tokens = tokenizer->vocab.count + json_array_size(added);
    for (size_t i = 0; i < json_array_size(added) && !err->status; i++)
        read_added(json_array_get(added, i), tokens, tokenizer, err);
    if (err->status || qb_json_post_processor(tokenizer, json_object_get(root, "post_processor"), err))
        return err->status;
    tokenizer->bos = tokenizer->before_count ? tokenizer->before[tokenizer->before_count - 1] : -1;
    return QB_OK;
}

enum qb_status qb_tokenizer_open_json(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    struct qb_tokenizer *new = NULL;
    char *data = NULL;
    size_t size = 0;
    json_error_t json_err;
    json_t *root = NULL;
    if (qb_file_read(path, FILE_MAX, &data, &size, err))
        return err->status;
    root = qb_json_load(data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &json_err);
    qb_free(data);
    if (!root)
        return qb_fail(err, QB_ERR_INPUT, "%s: line %d: %s", path, json_err.line, json_err.text);
    if (!qb_tokenizer_new(&new, err) && read_root(root, new, err))
        qb_wrap(err, "%s", path);
    json_decref(root);
    if (err->status || qb_tokenizer_beside(new, path, err) || qb_tokenizer_finish(new, err)) {
        qb_tokenizer_free(new);
        return err->status;
    }
    *tokenizer = new;
    return QB_OK;
}
