/* The parts of a tokenizer.json beside vocabulary and merges, as the tokenizers library writes them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include "base/mem.h"
#include "tokenizer/tokenizer_parts.h"

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_on(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

static bool is_type(const json_t *part, const char *type)
{
    return strcmp(text_of(part, "type"), type) == 0;
}

static enum qb_status unknown(const char *where, const json_t *part, struct qb_error *err)
{
    const char *type = text_of(part, "type");
    return qb_fail(err, QB_ERR_INPUT, "%s: type '%.*s' is not supported", where, QB_UPTO(64, type));
}

/* A part, or one after the other the parts of a Sequence (of Sequences), whose list stands under `list`. */
typedef enum qb_status (*read_part)(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err);
static enum qb_status each(struct qb_tokenizer *tokenizer, const json_t *part, const char *list, read_part read,
                           struct qb_error *err)
{
    if (!is_type(part, "Sequence"))
        return !part || json_is_null(part) ? QB_OK : read(tokenizer, part, err);
    const json_t *parts = json_object_get(part, list);
    if (!json_is_array(parts))
        return qb_fail(err, QB_ERR_INPUT, "Sequence: expected an array '%s'", list);
    for (size_t i = 0; i < json_array_size(parts) && !err->status; i++) /* jansson limits the nesting */
        each(tokenizer, json_array_get(parts, i), list, read, err);
    return err->status;
}

/* {"String": ...} or {"Regex": ...}. */
static enum qb_status read_pattern(const json_t *part, struct qb_pattern **pattern, struct qb_error *err)
{
    const json_t *object = json_object_get(part, "pattern"), *text = json_object_get(object, "String");
    const json_t *regex = json_object_get(object, "Regex");
    if ((json_is_string(text) && json_string_length(text) == 0) ||
        (json_is_string(regex) && json_string_length(regex) == 0))
        return qb_fail(err, QB_ERR_INPUT, "%s: an empty pattern, which finds nothing", text_of(part, "type"));
    if (json_is_string(text))
        return qb_pattern_literal(json_string_value(text), json_string_length(text), pattern, err);
    if (json_is_string(regex))
        return qb_pattern_regex(json_string_value(regex), json_string_length(regex), pattern, err);
    return qb_fail(err, QB_ERR_INPUT, "%s: expected a pattern, {\"String\": ...} or {\"Regex\": ...}",
                   text_of(part, "type"));
}

/* ---- normalizer ---- */

/* The bytes of base64 text; NULL: it is none. */
static char *from_base64(const char *text, size_t size, size_t *made, struct qb_error *err)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = qb_alloc(size / 4 * 3 + 3, 1, "precompiled_charsmap", err);
    uint32_t bits = 0;
    *made = 0;
    while (size > 0 && text[size - 1] == '=')
        size--;
    for (size_t i = 0; out && i < size; i++) {
        const char *digit = text[i] ? strchr(digits, text[i]) : NULL;
        if (!digit) {
            qb_fail(err, QB_ERR_INPUT, "precompiled_charsmap: expected base64");
            qb_free(out);
            return NULL;
        }
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (i % 4 > 0)
            out[(*made)++] = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return out;
}

static enum qb_status copy_content(const json_t *part, const char *key, struct qb_normal_step *step,
                                   struct qb_error *err)
{
    const json_t *text = json_object_get(part, key);
    if (!json_is_string(text))
        return qb_fail(err, QB_ERR_INPUT, "normalizer: %s: expected a text '%s'", text_of(part, "type"), key);
    step->size = json_string_length(text);
    step->content = qb_alloc(step->size + 1, 1, "normalizer", err);
    if (step->content)
        memcpy(step->content, json_string_value(text), step->size);
    return err->status;
}

static enum qb_status read_normal(const json_t *part, struct qb_normal_step *step, struct qb_error *err)
{
    static const struct {
        const char *type;
        int form;
    } forms[] = {{"NFC", UTF8PROC_COMPOSE},
                 {"NFD", UTF8PROC_DECOMPOSE},
                 {"NFKC", UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
                 {"NFKD", UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}};
    const json_t *table = json_object_get(part, "precompiled_charsmap");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (is_type(part, forms[i].type)) {
            *step = (struct qb_normal_step){.kind = QB_NORMAL_FORM, .form = forms[i].form | UTF8PROC_STABLE};
            return QB_OK;
        }
    if (is_type(part, "Prepend")) {
        step->kind = QB_NORMAL_PREPEND;
        return copy_content(part, "prepend", step, err);
    }
    if (is_type(part, "Replace")) {
        step->kind = QB_NORMAL_REPLACE;
        return copy_content(part, "content", step, err) || read_pattern(part, &step->pattern, err) ? err->status
                                                                                                   : QB_OK;
    }
    if (is_type(part, "Strip")) {
        *step = (struct qb_normal_step){.kind = QB_NORMAL_STRIP,
                                        .left = is_on(part, "strip_left", true),
                                        .right = is_on(part, "strip_right", true)};
        return QB_OK;
    }
    if (!is_type(part, "Precompiled") || !json_is_string(table))
        return unknown("normalizer", part, err);
    *step = (struct qb_normal_step){.kind = QB_NORMAL_CHARSMAP, .graphemes = true};
    step->content = from_base64(json_string_value(table), json_string_length(table), &step->size, err);
    return err->status ? err->status : qb_charsmap_check(step->content, step->size, err);
}

static enum qb_status add_normal(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    struct qb_normal_step step = {0};
    if (read_normal(part, &step, err)) {
        qb_normal_free(&step);
        return err->status;
    }
    return qb_tokenizer_normal(tokenizer, step, err);
}

enum qb_status qb_json_normalizer(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    return each(tokenizer, part, "normalizers", add_normal, err);
}

/* ---- pre_tokenizer ---- */

/* What becomes of a match, by the library's word; false: it has another. */
static bool behaviour_of(const json_t *part, enum qb_split_behaviour *behaviour)
{
    static const char *const words[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"};
    for (int i = 0; i < 5; i++)
        if (strcmp(text_of(part, "behavior"), words[i]) == 0) {
            *behaviour = (enum qb_split_behaviour)i;
            return true;
        }
    return false;
}

static enum qb_status add_byte_level(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    struct qb_split_step step = {.kind = QB_SPLIT_PREFIX};
    tokenizer->byte_level = true;
    if (is_on(part, "add_prefix_space", true) && qb_tokenizer_step(tokenizer, step, err))
        return err->status;
    return is_on(part, "use_regex", true) ? qb_tokenizer_regex(tokenizer, QB_GPT2_PATTERN, err) : QB_OK;
}

static enum qb_status add_metaspace(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    struct qb_split_step step = {.kind = QB_SPLIT_BLANKS, .behaviour = QB_SPLIT_WITH_NEXT};
    const char *scheme = text_of(part, "prepend_scheme"), *content = text_of(part, "replacement");
    bool prefix = is_on(part, "add_prefix_space", true);
    if (!*content || strlen(content) >= sizeof step.content)
        return qb_fail(err, QB_ERR_INPUT, "pre_tokenizer: Metaspace: expected a character as replacement");
    strcpy(step.content, content);
    step.prepend = strcmp(scheme, "first") == 0              ? QB_PREPEND_FIRST
                   : strcmp(scheme, "never") == 0 || !prefix ? QB_PREPEND_NEVER
                                                             : QB_PREPEND_ALWAYS;
    if (*scheme && strcmp(scheme, "first") && strcmp(scheme, "never") && strcmp(scheme, "always"))
        return qb_fail(err, QB_ERR_INPUT,
                       "pre_tokenizer: Metaspace: prepend_scheme '%.*s', expected always, first or "
                       "never",
                       QB_UPTO(64, scheme));
    if (is_on(part, "split", true) && qb_pattern_literal(content, strlen(content), &step.pattern, err))
        return err->status;
    return qb_tokenizer_step(tokenizer, step, err);
}

/* Those that are a pattern by another name. */
static const struct named {
    const char *type, *pattern;
    enum qb_split_behaviour behaviour;
} named[] = {{"Whitespace", "\\w+|[^\\w\\s]+", QB_SPLIT_REMOVED}, /* inverted */
             {"WhitespaceSplit", "\\s", QB_SPLIT_REMOVED},
             {"Digits", "\\p{N}", QB_SPLIT_CONTIGUOUS},
             {"Punctuation", "[!-/:-@\\[-`{-~\\p{P}]", QB_SPLIT_ISOLATED}};

static enum qb_status add_split(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    struct qb_split_step step = {.kind = QB_SPLIT_PATTERN, .invert = is_on(part, "invert", false)};
    const struct named *found = NULL;
    if (tokenizer->byte_level)
        return qb_fail(err, QB_ERR_INPUT, "pre_tokenizer: '%.*s' behind ByteLevel is not supported",
                       QB_UPTO(64, text_of(part, "type")));
    if (is_type(part, "ByteLevel"))
        return add_byte_level(tokenizer, part, err);
    if (is_type(part, "Metaspace"))
        return add_metaspace(tokenizer, part, err);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (is_type(part, named[i].type))
            found = &named[i];
    if (found) {
        step.behaviour = found->behaviour;
        step.invert = is_type(part, "Whitespace");
        if (is_type(part, "Digits") && is_on(part, "individual_digits", false))
            step.behaviour = QB_SPLIT_ISOLATED;
        if (is_type(part, "Punctuation") && json_object_get(part, "behavior") && !behaviour_of(part, &step.behaviour))
            return qb_fail(err, QB_ERR_INPUT, "pre_tokenizer: Punctuation: behavior is not known");
        if (qb_pattern_regex(found->pattern, strlen(found->pattern), &step.pattern, err))
            return err->status;
    } else if (!is_type(part, "Split")) {
        return unknown("pre_tokenizer", part, err);
    } else if (!behaviour_of(part, &step.behaviour)) {
        return qb_fail(err, QB_ERR_INPUT, "pre_tokenizer: Split: behavior '%.*s' is not known",
                       QB_UPTO(64, text_of(part, "behavior")));
    } else if (read_pattern(part, &step.pattern, err)) {
        return qb_wrap(err, "pre_tokenizer");
    }
    return qb_tokenizer_step(tokenizer, step, err);
}

enum qb_status qb_json_pre_tokenizer(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    return each(tokenizer, part, "pretokenizers", add_split, err);
}

/* ---- decoder: what of it is not how the bytes of tokens are put together anyway ---- */

static enum qb_status add_decoder(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    static const char blank[] = "\xe2\x96\x81";
    if (is_type(part, "Metaspace")) {
        tokenizer->blanks = true;
        tokenizer->strip =
            strcmp(text_of(part, "prepend_scheme"), "never") != 0 && is_on(part, "add_prefix_space", true);
    } else if (is_type(part, "Replace")) {
        const json_t *from = json_object_get(json_object_get(part, "pattern"), "String");
        if (!json_is_string(from) || strcmp(json_string_value(from), blank) != 0 ||
            strcmp(text_of(part, "content"), " ") != 0)
            return qb_fail(err, QB_ERR_INPUT, "decoder: Replace: expected U+2581 and a blank in its place");
        tokenizer->blanks = true;
    } else if (is_type(part, "Strip")) {
        tokenizer->strip = json_integer_value(json_object_get(part, "start")) > 0;
    } else if (!is_type(part, "ByteLevel") && !is_type(part, "ByteFallback") && !is_type(part, "Fuse")) {
        return unknown("decoder", part, err);
    }
    return QB_OK;
}

enum qb_status qb_json_decoder(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    return each(tokenizer, part, "decoders", add_decoder, err);
}

/* ---- post_processor: tokens before and behind a text ---- */

static enum qb_status add_affix(struct qb_tokenizer *tokenizer, const json_t *ids, bool behind, struct qb_error *err)
{
    int32_t *list = behind ? tokenizer->behind : tokenizer->before;
    size_t *count = behind ? &tokenizer->behind_count : &tokenizer->before_count;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));
        if (!json_is_integer(json_array_get(ids, i)) || id < 0 || (size_t)id >= tokenizer->vocab.count ||
            *count == QB_AFFIX_MAX)
            return qb_fail(err, QB_ERR_INPUT, "post_processor: expected ids of the vocabulary, at most %d on a side",
                           QB_AFFIX_MAX);
        list[(*count)++] = (int32_t)id;
    }
    return QB_OK;
}

static enum qb_status add_template(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    const json_t *items = json_object_get(part, "single"), *tokens = json_object_get(part, "special_tokens");
    bool behind = false;
    if (is_type(part, "ByteLevel"))
        return QB_OK; /* offsets alone */
    if (!is_type(part, "TemplateProcessing"))
        return unknown("post_processor", part, err);
    for (size_t i = 0; i < json_array_size(items) && !err->status; i++) {
        const json_t *item = json_array_get(items, i), *special = json_object_get(item, "SpecialToken");
        const json_t *token = json_object_get(tokens, text_of(special, "id"));
        if (json_object_get(item, "Sequence"))
            behind = true;
        else if (!json_is_array(json_object_get(token, "ids")))
            qb_fail(err, QB_ERR_INPUT, "post_processor: item %zu of single is no token of special_tokens", i);
        else
            add_affix(tokenizer, json_object_get(token, "ids"), behind, err);
    }
    return err->status;
}

enum qb_status qb_json_post_processor(struct qb_tokenizer *tokenizer, const json_t *part, struct qb_error *err)
{
    return each(tokenizer, part, "processors", add_template, err);
}
