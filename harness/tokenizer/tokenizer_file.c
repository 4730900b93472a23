/* Reading a tokenizer.json: refuses whatever this tokenizer would not do the same way. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tokenizer/tokenizer_parts.h"

#define FILE_MAX ((size_t)64 << 20)
#define VOCAB_MAX ((size_t)1 << 24)

/* GPT-2's printable stand-ins: bytes that are printable in Latin-1 stand for themselves, the others for 256, 257, ...
 */
static void make_stand_ins(int byte_of[324])
{
    int next = 256;
    for (int i = 0; i < 324; i++)
        byte_of[i] = -1;
    for (int byte = 0; byte < 256; byte++) {
        bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
        byte_of[printable ? byte : next++] = byte;
    }
}

/* The bytes that a token's UTF-8 text stands for, into out (at least strlen); -1 when it has another character. All
 * stand-ins are below U+0800: one or two bytes. */
static long token_bytes(const char *text, const int byte_of[324], char *out)
{
    long count = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        unsigned code = *p;
        if (code >= 0x80) {
            if ((code & 0xe0) != 0xc0 || (p[1] & 0xc0) != 0x80)
                return -1;
            code = (code & 31) << 6 | (p[1] & 63);
            p++;
        }
        if (code >= 324 || byte_of[code] < 0)
            return -1;
        out[count++] = (char)byte_of[code];
    }
    return count;
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static bool absent(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value) || json_is_false(value);
}

static bool has_type(const json_t *object, const char *type)
{
    const char *value = json_string_value(json_object_get(object, "type"));
    return value && strcmp(value, type) == 0;
}

static enum qb_status check_kind(const json_t *root, struct qb_error *err)
{
    const json_t *model = json_object_get(root, "model"), *split = json_object_get(root, "pre_tokenizer");
    if (!json_is_object(root) || !has_type(model, "BPE"))
        return qb_fail(err, QB_ERR_INPUT, "model.type: expected BPE");
    if (!absent(root, "normalizer"))
        return qb_fail(err, QB_ERR_INPUT, "normalizer: expected none");
    if (!has_type(split, "ByteLevel") || !absent(split, "add_prefix_space") ||
        !(is_true(split, "use_regex") || !json_object_get(split, "use_regex")))
        return qb_fail(err, QB_ERR_INPUT,
                       "pre_tokenizer: expected ByteLevel with add_prefix_space false and use_regex true");
    if (json_array_size(json_object_get(root, "added_tokens")) > 0)
        return qb_fail(err, QB_ERR_INPUT, "added_tokens: expected none");
    static const char *const off[] = {
        "dropout",       "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback",
        "ignore_merges", NULL};
    for (size_t i = 0; off[i]; i++) {
        const char *text = json_string_value(json_object_get(model, off[i]));
        if (!absent(model, off[i]) && !(text && !*text))
            return qb_fail(err, QB_ERR_INPUT, "model.%s: expected none", off[i]);
    }
    if (!json_is_object(json_object_get(model, "vocab")) || !json_is_array(json_object_get(model, "merges")))
        return qb_fail(err, QB_ERR_INPUT, "model: expected vocab and merges");
    return QB_OK;
}

/* Token texts by id; ids must be 0 .. n-1, each once. */
static enum qb_status list_tokens(const json_t *vocab, const char **texts, size_t *total, struct qb_error *err)
{
    size_t count = json_object_size(vocab);
    const char *text;
    json_t *id;
    *total = 0;
    json_object_foreach((json_t *)(uintptr_t)vocab, text, id)
    {
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || (size_t)value >= count || texts[value])
            return qb_fail(err, QB_ERR_INPUT, "model.vocab: token '%.*s' needs an id of its own from 0 to %zu",
                           QB_UPTO(64, text), count - 1);
        texts[value] = text;
        *total += strlen(text);
    }
    return QB_OK;
}

static enum qb_status read_vocab(const json_t *vocab, struct qb_tokenizer *t, struct qb_error *err)
{
    int byte_of[324];
    size_t total = 0, at = 0;
    t->vocab = json_object_size(vocab);
    if (t->vocab < 256 || t->vocab > VOCAB_MAX)
        return qb_fail(err, QB_ERR_INPUT, "model.vocab: %zu tokens, expected 256 to %zu", t->vocab, VOCAB_MAX);
    const char **texts = qb_alloc(t->vocab, sizeof *texts, "token list", err);
    if (!texts || list_tokens(vocab, texts, &total, err))
        goto out;
    t->start = qb_alloc(t->vocab + 1, sizeof *t->start, "token list", err);
    t->bytes = t->start ? qb_alloc(total + 1, 1, "token texts", err) : NULL;
    if (!t->bytes)
        goto out;
    make_stand_ins(byte_of);
    memset(t->byte_token, 0xff, sizeof t->byte_token);
    for (size_t i = 0; i < t->vocab; i++) {
        long length = token_bytes(texts[i], byte_of, t->bytes + at);
        if (length < 1) {
            qb_fail(err, QB_ERR_INPUT, "model.vocab: token %zu '%.*s' is no byte-level text", i, QB_UPTO(64, texts[i]));
            goto out;
        }
        if (length == 1)
            t->byte_token[(unsigned char)t->bytes[at]] = (int32_t)i;
        at += (size_t)length;
        t->start[i + 1] = at;
    }
    for (int byte = 0; byte < 256; byte++)
        if (t->byte_token[byte] < 0) {
            qb_fail(err, QB_ERR_INPUT, "model.vocab: no token for the byte %d", byte);
            break;
        }
out:
    qb_free(texts);
    return err->status;
}

/* A merge is "left right" or ["left", "right"]; copies both into left and right (size bytes each). */
static bool split_merge(const json_t *merge, char *left, char *right, size_t size)
{
    const char *a = json_string_value(json_is_array(merge) ? json_array_get(merge, 0) : merge);
    if (!a || strlen(a) >= size)
        return false;
    strcpy(left, a);
    if (json_is_array(merge)) {
        const char *b = json_string_value(json_array_get(merge, 1));
        if (json_array_size(merge) != 2 || !b || strlen(b) >= size)
            return false;
        strcpy(right, b);
        return true;
    }
    char *space = strchr(left, ' ');
    if (!space || strchr(space + 1, ' '))
        return false;
    strcpy(right, space + 1);
    *space = '\0';
    return true;
}

static enum qb_status read_merges(const json_t *merges, const json_t *vocab, struct qb_tokenizer *t,
                                  struct qb_error *err)
{
    enum { SIZE = 4096 };
    char left[SIZE], right[SIZE], both[2 * SIZE];
    size_t count = json_array_size(merges);
    for (t->slots = 16; t->slots < 2 * count;)
        t->slots *= 2;
    t->merges = qb_alloc(t->slots, sizeof *t->merges, "merges", err);
    if (!t->merges)
        return err->status;
    for (size_t i = 0; i < t->slots; i++)
        t->merges[i].left = -1;
    for (size_t i = 0; i < count; i++) {
        if (!split_merge(json_array_get(merges, i), left, right, SIZE))
            return qb_fail(err, QB_ERR_INPUT, "model.merges: entry %zu is no pair of tokens", i);
        strcpy(both, left);
        strcat(both, right);
        const json_t *a = json_object_get(vocab, left), *b = json_object_get(vocab, right);
        const json_t *c = json_object_get(vocab, both);
        if (!a || !b || !c)
            return qb_fail(err, QB_ERR_INPUT, "model.merges: entry %zu: '%.*s' is not in the vocabulary", i,
                           QB_UPTO(64, !a   ? left
                                       : !b ? right
                                            : both));
        struct merge merge = {(int32_t)json_integer_value(a), (int32_t)json_integer_value(b),
                              (int32_t)json_integer_value(c), (uint32_t)i};
        struct merge *slot = merge_slot(t, merge.left, merge.right);
        if (slot->left >= 0)
            return qb_fail(err, QB_ERR_INPUT, "model.merges: entry %zu repeats entry %u", i, slot->rank);
        *slot = merge;
    }
    return QB_OK;
}

static enum qb_status read_json(const char *data, size_t size, struct qb_tokenizer *tokenizer, struct qb_error *err)
{
    json_error_t json_err;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &json_err);
    if (!root)
        return qb_fail(err, QB_ERR_INPUT, "line %d: %s", json_err.line, json_err.text);
    const json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    if (!check_kind(root, err) && !read_vocab(vocab, tokenizer, err))
        read_merges(json_object_get(model, "merges"), vocab, tokenizer, err);
    json_decref(root);
    return err->status;
}

enum qb_status qb_tokenizer_open(const char *path, struct qb_tokenizer **tokenizer, struct qb_error *err)
{
    char *data = NULL;
    size_t size = 0;
    struct qb_tokenizer *new = qb_alloc(1, sizeof *new, "tokenizer", err);
    if (!new)
        return err->status;
    if (!qb_file_read(path, FILE_MAX, &data, &size, err) && read_json(data, size, new, err))
        qb_wrap(err, "%s", path);
    qb_free(data);
    if (err->status) {
        qb_tokenizer_free(new);
        return err->status;
    }
    *tokenizer = new;
    return QB_OK;
}

void qb_tokenizer_free(struct qb_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    qb_free(tokenizer->bytes);
    qb_free(tokenizer->start);
    qb_free(tokenizer->merges);
    qb_free(tokenizer);
}
