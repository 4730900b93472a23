/* What Hugging Face puts beside a tokenizer.json: tokenizer_config.json, generation_config.json, chat_template.jinja.
 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

#define FILE_MAX ((size_t)16 << 20)

/* The path of a file beside another; NULL: there is none, or no memory. What stands before "tokenizer.json" stands
 * before the others' names: a folder, or a model's name in it. */
static char *beside(const char *path, const char *name, struct qb_error *err)
{
    const size_t length = strlen(path), end = strlen("tokenizer.json");
    const char *slash = strrchr(path, '/');
    const bool ends = length >= end && strcmp(path + length - end, "tokenizer.json") == 0;
    struct qb_text text = {0};
    char *found = NULL;
    qb_text_bytes(&text, path, ends ? length - end : slash ? (size_t)(slash - path) + 1 : 0);
    qb_text_add(&text, "%s", name);
    if (text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for a path");
    else if (qb_file_exists(text.data))
        found = qb_strdup(text.data, err);
    qb_text_free(&text);
    return found;
}

static enum qb_status read_object(const char *path, const char *name, json_t **root, struct qb_error *err)
{
    char *file = beside(path, name, err), *data = NULL;
    size_t size = 0;
    json_error_t json_err;
    *root = NULL;
    if (file && !qb_file_read(file, FILE_MAX, &data, &size, err)) {
        /* model_max_length may be 10^30, which no integer holds */
        *root = qb_json_load(data, size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &json_err);
        if (!*root)
            qb_fail(err, QB_ERR_INPUT, "%s: line %d: %s", file, json_err.line, json_err.text);
    }
    qb_free(data);
    qb_free(file);
    return err->status;
}

/* The id of a token that is written as text, or as an object with the text in it; `otherwise` where none is. */
static int32_t named_token(const struct qb_tokenizer *tokenizer, const json_t *value, int32_t otherwise)
{
    const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    int32_t id = text ? qb_tokenizer_added(tokenizer, text) : -1;
    if (text && id < 0)
        id = qb_vocab_find(&tokenizer->vocab, text, strlen(text));
    return id < 0 ? otherwise : id;
}

/* A template, or of several with names the one called "default". */
static const char *template_of(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (name && strcmp(name, "default") == 0)
            return json_string_value(json_object_get(entry, "template"));
    }
    return json_string_value(value);
}

static void read_ends(struct qb_tokenizer *tokenizer, const json_t *generation)
{
    const json_t *ids = json_object_get(generation, "eos_token_id");
    size_t count = json_is_array(ids) ? json_array_size(ids) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_is_array(ids) ? json_array_get(ids, i) : ids;
        double value = json_number_value(id);
        if (json_is_number(id) && value >= 0 && value < (double)tokenizer->vocab.count)
            qb_tokenizer_end(tokenizer, (int32_t)value);
    }
}

/* add_bos_token, add_eos_token: where they are said they decide, as transformers has it. */
static void set_affix(const json_t *config, const char *key, int32_t id, int32_t list[QB_AFFIX_MAX], size_t *count)
{
    const json_t *said = json_object_get(config, key);
    if (!json_is_boolean(said) || id < 0)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (list[i] != id)
            list[kept++] = list[i];
    *count = kept;
    if (json_is_true(said) && kept < QB_AFFIX_MAX)
        list[(*count)++] = id;
}

enum qb_status qb_tokenizer_beside(struct qb_tokenizer *tokenizer, const char *path, struct qb_error *err)
{
    json_t *config = NULL, *generation = NULL;
    char *file = NULL;
    size_t size;
    if (read_object(path, "tokenizer_config.json", &config, err) ||
        read_object(path, "generation_config.json", &generation, err))
        goto out;
    tokenizer->bos = named_token(tokenizer, json_object_get(config, "bos_token"), tokenizer->bos);
    tokenizer->eos = named_token(tokenizer, json_object_get(config, "eos_token"), tokenizer->eos);
    set_affix(config, "add_bos_token", tokenizer->bos, tokenizer->before, &tokenizer->before_count);
    set_affix(config, "add_eos_token", tokenizer->eos, tokenizer->behind, &tokenizer->behind_count);
    read_ends(tokenizer, generation);
    file = beside(path, "chat_template.jinja", err);
    const char *text = template_of(json_object_get(config, "chat_template"));
    if (file)
        qb_file_read(file, FILE_MAX, &tokenizer->chat_template, &size, err);
    else if (text && !err->status)
        tokenizer->chat_template = qb_strdup(text, err);
out:
    qb_free(file);
    json_decref(config);
    json_decref(generation);
    return err->status;
}
