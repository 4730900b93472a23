/* Typed reading of JSON. */
#include "gate/json_read.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/text_format.h"
#include "base/utf8.h"
#include "gate/baseline_words.h"
#include "store/store.h"

enum { TEXT_MAX = 1 << 16 };

enum qb_status qb_json_wrong(const struct qb_json_place *at, const char *format, ...)
{
    char what[300];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(what, sizeof what, format, args);
    va_end(args);
    return qb_fail(at->err, QB_ERR_INPUT, "%s: %s%s%s", at->file, at->path, at->path[0] ? ": " : "", what);
}

struct qb_json_place qb_json_inside(const struct qb_json_place *at, const char *key)
{
    struct qb_json_place in = *at;
    size_t used = strlen(in.path);
    snprintf(in.path + used, sizeof in.path - used, "%s%s", used ? "." : "", key);
    return in;
}

struct qb_json_place qb_json_item(const struct qb_json_place *at, size_t i)
{
    struct qb_json_place in = *at;
    size_t used = strlen(in.path);
    snprintf(in.path + used, sizeof in.path - used, "[%zu]", i);
    return in;
}

const char *qb_json_type(const json_t *value)
{
    static const char *const names[] = {"an object", "a list", "a text", "an integer",
                                        "a number",  "true",   "false",  "null"};
    return value ? names[json_typeof(value)] : "nothing";
}

enum qb_status qb_json_known(const json_t *object, const char *const *keys, const struct qb_json_place *at)
{
    const char *key;
    const json_t *value;
    if (!json_is_object(object))
        return qb_json_wrong(at, "expected an object, found %s", qb_json_type(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        size_t i = 0;
        while (keys[i] && strcmp(keys[i], key) != 0)
            i++;
        if (!keys[i])
            return qb_json_wrong(at, "unknown key '%.*s'", QB_UPTO(60, key));
    }
    return QB_OK;
}

/* ---- values ---- */

enum qb_status qb_json_text(const json_t *object, const char *key, const struct qb_json_place *at, char **out)
{
    struct qb_json_place here = qb_json_inside(at, key);
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_string_length(value) > TEXT_MAX)
        return qb_json_wrong(&here, "expected a text of at most %d bytes, found %s", TEXT_MAX, qb_json_type(value));
    *out = qb_clean_copy(json_string_value(value), QB_CLEAN_LINES, here.err);
    return *out ? QB_OK : here.err->status;
}

enum qb_status qb_json_short(const json_t *object, const char *key, const struct qb_json_place *at, char *out,
                             size_t room)
{
    struct qb_json_place here = qb_json_inside(at, key);
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_string_length(value) >= room)
        return qb_json_wrong(&here, "expected a text of at most %zu bytes, found %s", room - 1, qb_json_type(value));
    qb_clean_into(out, room, json_string_value(value), json_string_length(value));
    return QB_OK;
}

/* 64 hexadecimal digits, or "" for what was not recorded. */
enum qb_status qb_json_hash(const json_t *object, const char *key, const struct qb_json_place *at,
                            char out[QB_HASH_HEX])
{
    struct qb_json_place here = qb_json_inside(at, key);
    if (!qb_json_short(object, key, at, out, QB_HASH_HEX) && out[0] &&
        (strlen(out) != QB_HASH_HEX - 1 || strspn(out, "0123456789abcdef") != QB_HASH_HEX - 1))
        return qb_json_wrong(&here, "expected 64 hexadecimal digits, found '%s'", out);
    return at->err->status;
}

enum qb_status qb_json_name(const json_t *object, const char *key, const struct qb_json_place *at, char **out)
{
    struct qb_json_place here = qb_json_inside(at, key);
    if (!qb_json_text(object, key, at, out) && !qb_name_ok(*out))
        return qb_json_wrong(&here, "expected 1 to 100 of [A-Za-z0-9._-], found '%.*s'", QB_UPTO(60, *out));
    return at->err->status;
}

enum qb_status qb_json_word(const json_t *object, const char *key, const struct qb_json_place *at,
                            const char *const words[QB_BASELINE_WORDS], int *out)
{
    struct qb_json_place here = qb_json_inside(at, key);
    char text[16];
    if (qb_json_short(object, key, at, text, sizeof text))
        return at->err->status;
    for (*out = 0; *out < QB_BASELINE_WORDS; ++*out)
        if (strcmp(words[*out], text) == 0)
            return QB_OK;
    return qb_json_wrong(&here, "expected %s, %s or %s, found '%s'", words[0], words[1], words[2], text);
}

enum qb_status qb_json_finite(const json_t *value, const struct qb_json_place *here, double *out)
{
    *out = NAN;
    if (!json_is_number(value))
        return qb_json_wrong(here, "expected a number, found %s", qb_json_type(value));
    *out = json_number_value(value);
    return QB_OK; /* finite: JSON has no NaN or Inf, and jansson refuses what overflows */
}

enum qb_status qb_json_measured(const json_t *value, const struct qb_json_place *here, double *out, bool *there)
{
    const char *name = json_string_value(value);
    *there = !json_is_null(value);
    *out = NAN;
    if (!*there)
        return QB_OK;
    if (json_is_number(value))
        return qb_json_finite(value, here, out);
    if (!name || !qb_read_number(name, out) || isfinite(*out))
        return qb_json_wrong(here, "expected a number, \"inf\", \"-inf\", \"nan\" or null, found %s%s%.*s",
                             qb_json_type(value), name ? " " : "", QB_UPTO(20, name ? name : ""));
    return QB_OK;
}

enum qb_status qb_json_list(const json_t *object, const char *key, const struct qb_json_place *here, size_t most,
                            const json_t **list)
{
    *list = json_object_get(object, key);
    if (!json_is_array(*list) || json_array_size(*list) > most)
        return qb_json_wrong(here, "expected a list of at most %zu entries, found %s%s", most, qb_json_type(*list),
                             json_is_array(*list) ? " that is longer" : "");
    return QB_OK;
}
