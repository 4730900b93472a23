/* A tokenizer from GGUF's metadata (ggml, docs/gguf.md, "Tokenizer"). */
#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"
#include "weights/weights.h"

#define KEY(name) "tokenizer.ggml." name

struct file {
    const struct qb_weights *weights;
    const json_t *config;
    struct qb_tokenizer *tokenizer;
    size_t count;   /* tokens */
    uint8_t *types; /* [count], GGUF's; all 1 where it has none */
    char *bytes;    /* of a table of replacements */
    bool strips;    /* control tokens take the white space behind them */
};

static const char *text_at(const struct file *file, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(file->config, key));
    return text ? text : otherwise;
}

static bool is_on(const struct file *file, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(file->config, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* The id at a key; -1: there is none, or it is out of range. */
static int32_t id_at(const struct file *file, const char *key, int32_t otherwise)
{
    const json_t *value = json_object_get(file->config, key);
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : otherwise;
    return id < 0 || (size_t)id >= file->count ? -1 : (int32_t)id;
}

/* ---- arrays ---- */

static enum qb_status take_type(void *context, size_t index, const char *text, size_t size, double number,
                                struct qb_error *err)
{
    struct file *file = context;
    (void)text, (void)size;
    if (!(number >= 1 && number <= 6))
        return qb_fail(err, QB_ERR_INPUT, KEY("token_type") ": token %zu has type %g, expected 1 to 6", index, number);
    file->types[index] = (uint8_t)number;
    return QB_OK;
}

static enum qb_status take_score(void *context, size_t index, const char *text, size_t size, double number,
                                 struct qb_error *err)
{
    struct file *file = context;
    (void)text, (void)size;
    if (number != number)
        return qb_fail(err, QB_ERR_INPUT, KEY("scores") ": token %zu has no number", index);
    file->tokenizer->scores[index] = number;
    return QB_OK;
}

static enum qb_status take_token(void *context, size_t index, const char *text, size_t size, double number,
                                 struct qb_error *err)
{
    static const enum qb_token_kind kinds[] = {0,
                                               QB_TOKEN_TEXT,
                                               QB_TOKEN_UNKNOWN,
                                               QB_TOKEN_CONTROL,
                                               QB_TOKEN_ADDED,
                                               QB_TOKEN_CONTROL, /* unused: never found, see add_tokens */
                                               QB_TOKEN_BYTE};
    struct file *file = context;
    (void)number;
    return qb_tokenizer_put(file->tokenizer, index, text, size, kinds[file->types[index]], err);
}

static enum qb_status take_merge(void *context, size_t index, const char *text, size_t size, double number,
                                 struct qb_error *err)
{
    struct file *file = context;
    const char *space = memchr(text, ' ', size);
    size_t first = space ? (size_t)(space - text) : 0;
    (void)number;
    if (!space || memchr(space + 1, ' ', size - first - 1))
        return qb_fail(err, QB_ERR_INPUT, KEY("merges") ": entry %zu is no pair of tokens", index);
    return qb_tokenizer_merge(file->tokenizer, index, text, first, space + 1, size - first - 1, err);
}

static enum qb_status take_byte(void *context, size_t index, const char *text, size_t size, double number,
                                struct qb_error *err)
{
    struct file *file = context;
    (void)text, (void)size, (void)err;
    file->bytes[index] = (char)(int)number;
    return QB_OK;
}

/* An array that must have `count` elements of a type. */
static enum qb_status each(struct file *file, const char *key, enum qb_array_type type, size_t count,
                           qb_array_visit visit, struct qb_error *err)
{
    size_t found = 0;
    if (qb_weights_array(file->weights, key, &found) != type || found != count)
        return qb_fail(err, QB_ERR_INPUT, "%s: expected an array of %zu %s", key, count,
                       type == QB_ARRAY_TEXT    ? "strings"
                       : type == QB_ARRAY_FLOAT ? "floats"
                                                : "integers");
    return qb_weights_array_each(file->weights, key, visit, file, err);
}

static enum qb_status read_tokens(struct file *file, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = file->tokenizer;
    size_t none;
    if (qb_weights_array(file->weights, KEY("tokens"), &file->count) != QB_ARRAY_TEXT || file->count == 0 ||
        file->count > QB_VOCAB_MAX)
        return qb_fail(err, QB_ERR_INPUT, KEY("tokens") ": expected an array of 1 to %zu strings", QB_VOCAB_MAX);
    file->types = qb_alloc(file->count, 1, "token types", err);
    if (!file->types)
        return err->status;
    memset(file->types, 1, file->count);
    if (qb_weights_array(file->weights, KEY("token_type"), &none) != QB_ARRAY_NONE &&
        each(file, KEY("token_type"), QB_ARRAY_INT, file->count, take_type, err))
        return err->status;
    if (tokenizer->model != QB_MODEL_MERGES) {
        tokenizer->scores = qb_alloc(file->count, sizeof *tokenizer->scores, "token scores", err);
        if (!tokenizer->scores || each(file, KEY("scores"), QB_ARRAY_FLOAT, file->count, take_score, err))
            return err->status;
    }
    return qb_weights_array_each(file->weights, KEY("tokens"), take_token, file, err) ||
                   qb_tokenizer_index(tokenizer, err)
               ? err->status
               : QB_OK;
}

static enum qb_status read_merges(struct file *file, struct qb_error *err)
{
    size_t count = 0;
    if (qb_weights_array(file->weights, KEY("merges"), &count) != QB_ARRAY_TEXT)
        return qb_fail(err, QB_ERR_INPUT, KEY("merges") ": expected an array of strings");
    if (qb_tokenizer_merges(file->tokenizer, count, err))
        return err->status;
    return qb_weights_array_each(file->weights, KEY("merges"), take_merge, file, err);
}

/* ---- kinds of tokenizers ---- */

static enum qb_status add_blanks(struct file *file, bool prefix, struct qb_error *err)
{
    static const char blank[] = "\xe2\x96\x81";
    struct qb_normal_step prepend = {.kind = QB_NORMAL_PREPEND, .size = 3};
    struct qb_normal_step replace = {.kind = QB_NORMAL_REPLACE, .size = 3};
    if (prefix && (!(prepend.content = qb_strdup(blank, err)) || qb_tokenizer_normal(file->tokenizer, prepend, err)))
        return err->status;
    if (!(replace.content = qb_strdup(blank, err)) || qb_pattern_literal(" ", 1, &replace.pattern, err)) {
        qb_normal_free(&replace);
        return err->status;
    }
    return qb_tokenizer_normal(file->tokenizer, replace, err);
}

/* SentencePiece's table of replacements, then its blanks. */
static enum qb_status add_charsmap(struct file *file, bool prefix, struct qb_error *err)
{
    struct qb_normal_step table = {.kind = QB_NORMAL_CHARSMAP};
    struct qb_normal_step blanks = {
        .kind = QB_NORMAL_BLANKS, .left = prefix, .right = is_on(file, KEY("remove_extra_whitespaces"), false)};
    if (qb_weights_array(file->weights, KEY("precompiled_charsmap"), &table.size) == QB_ARRAY_INT) {
        table.content = file->bytes = qb_alloc(table.size, 1, "table of replacements", err);
        if (!table.content || qb_weights_array_each(file->weights, KEY("precompiled_charsmap"), take_byte, file, err) ||
            qb_charsmap_check(table.content, table.size, err)) {
            qb_normal_free(&table);
            return err->status;
        }
        if (qb_tokenizer_normal(file->tokenizer, table, err))
            return err->status;
    }
    return qb_tokenizer_normal(file->tokenizer, blanks, err);
}

static enum qb_status read_byte_level(struct file *file, bool *add_bos, struct qb_error *err)
{
    file->tokenizer->model = QB_MODEL_MERGES;
    file->tokenizer->byte_level = true;
    return qb_tokenizer_pre(file->tokenizer, text_at(file, KEY("pre"), "default"), add_bos, err) ||
                   read_tokens(file, err) || read_merges(file, err)
               ? err->status
               : QB_OK;
}

static enum qb_status read_pieces(struct file *file, bool unigram, bool *add_bos, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = file->tokenizer;
    bool prefix = is_on(file, KEY("add_space_prefix"), !unigram);
    tokenizer->model = unigram ? QB_MODEL_UNIGRAM : QB_MODEL_SCORES;
    tokenizer->byte_fallback = tokenizer->fuse_unknown = tokenizer->blanks = true;
    tokenizer->strip = prefix;
    *add_bos = !unigram;
    if ((unigram ? add_charsmap : add_blanks)(file, prefix, err) || read_tokens(file, err))
        return err->status;
    tokenizer->unknown = id_at(file, KEY("unknown_token_id"), unigram ? 2 : 0);
    return QB_OK;
}

/* ---- tokens that are searched for, first and last ones ---- */

static bool is_phi3(const char *name)
{
    char lower[128] = "";
    for (size_t i = 0; name[i] && i + 1 < sizeof lower; i++)
        lower[i] = (char)tolower((unsigned char)name[i]);
    return strstr(lower, "phi-3") || strstr(lower, "phi3");
}

static enum qb_status add_tokens(struct file *file, struct qb_error *err)
{
    enum { UNKNOWN = 2, CONTROL, USER, UNUSED };
    const struct qb_vocab *vocab = &file->tokenizer->vocab;
    for (size_t i = 0; i < file->count && !err->status; i++) {
        uint8_t type = file->types[i];
        const char *bytes = qb_vocab_bytes(vocab, i);
        struct qb_added added = {
            .id = (int32_t)i, .text = (char *)(uintptr_t)bytes, .size = vocab->tokens[i].size, .control = type != USER};
        if (added.size == 0 || (type != UNKNOWN && type != CONTROL && type != USER))
            continue;
        /* GGUF does not say what Phi-3's tokenizer.json says of its control tokens. */
        added.right = file->strips && type == CONTROL && strncmp(bytes, "<s>", added.size) != 0 &&
                      strncmp(bytes, "<|endoftext|>", added.size) != 0;
        /* SentencePiece looks for a user's symbols where blanks are U+2581 already, as the symbols are spelled. */
        if (!qb_tokenizer_add(file->tokenizer, &added, err) && type == USER)
            file->tokenizer->added[file->tokenizer->added_count - 1].normalized = !file->tokenizer->byte_level;
    }
    return err->status;
}

static enum qb_status read_root(struct file *file, struct qb_error *err)
{
    struct qb_tokenizer *tokenizer = file->tokenizer;
    const char *model = text_at(file, KEY("model"), ""), *chat = text_at(file, "tokenizer.chat_template", NULL);
    bool add_bos = false, unigram = strcmp(model, "t5") == 0, spm = strcmp(model, "llama") == 0;
    if (strcmp(model, "gpt2") != 0 && !unigram && !spm)
        return qb_fail(err, QB_ERR_INPUT, KEY("model") ": '%.*s', expected " QB_TOKENIZER_GGUF_KINDS,
                       QB_UPTO(64, model));
    file->strips = is_phi3(text_at(file, "general.name", ""));
    if (unigram || spm ? read_pieces(file, unigram, &add_bos, err) : read_byte_level(file, &add_bos, err))
        return err->status;
    tokenizer->bos = id_at(file, KEY("bos_token_id"), spm ? 1 : -1);
    tokenizer->eos = id_at(file, KEY("eos_token_id"), spm ? 2 : unigram ? 1 : -1);
    if (is_on(file, KEY("add_bos_token"), add_bos) && tokenizer->bos >= 0)
        tokenizer->before[tokenizer->before_count++] = tokenizer->bos;
    if (is_on(file, KEY("add_eos_token"), unigram) && tokenizer->eos >= 0)
        tokenizer->behind[tokenizer->behind_count++] = tokenizer->eos;
    qb_tokenizer_end(tokenizer, id_at(file, KEY("eot_token_id"), -1));
    qb_tokenizer_end(tokenizer, id_at(file, KEY("eom_token_id"), -1));
    if (chat && !(tokenizer->chat_template = qb_strdup(chat, err)))
        return err->status;
    return add_tokens(file, err);
}

enum qb_status qb_tokenizer_open_gguf(const struct qb_weights *weights, struct qb_tokenizer **tokenizer,
                                      struct qb_error *err)
{
    struct file file = {.weights = weights, .config = qb_weights_config(weights)};
    if (qb_tokenizer_new(&file.tokenizer, err))
        return err->status;
    if (read_root(&file, err) || qb_tokenizer_finish(file.tokenizer, err))
        qb_tokenizer_free(file.tokenizer);
    else
        *tokenizer = file.tokenizer;
    qb_free(file.types);
    return err->status;
}
