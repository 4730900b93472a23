/* Typed reading of a YAML tree, and the messages that name file, line and key. */
#include "base/yaml_tree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"

enum qb_status qb_yaml_fail(const struct qb_yaml *node, struct qb_error *err, const char *format, ...)
{
    char detail[sizeof err->message];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(detail, sizeof detail, format, args);
    va_end(args);
    qb_fail(err, QB_ERR_INPUT, "%s", detail);
    if (node->key)
        qb_wrap(err, "key '%.*s'", QB_UPTO(80, node->key));
    if (node->line == 0)
        return qb_wrap(err, "%s: --set", node->file);
    return qb_wrap(err, "%s:%u", node->file, node->line);
}

const struct qb_yaml *qb_yaml_get(const struct qb_yaml *map, const char *key)
{
    if (!map || map->kind != QB_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->children[i]->key, key) == 0)
            return map->children[i];
    return NULL;
}

bool qb_yaml_is_null(const struct qb_yaml *node)
{
    return node->kind == QB_YAML_SCALAR && !node->quoted &&
           (node->scalar[0] == '\0' || strcmp(node->scalar, "~") == 0 || strcmp(node->scalar, "null") == 0);
}

/* What stands there, for "found ...". */
static const char *describe(const struct qb_yaml *node, char text[96])
{
    if (node->kind == QB_YAML_MAP)
        return "a map";
    if (node->kind == QB_YAML_LIST)
        return "a list";
    if (qb_yaml_is_null(node))
        return "nothing";
    const char *quote = node->quoted ? "the text " : "";
    snprintf(text, 96, "%s'%.*s%s'", quote, QB_UPTO(60, node->scalar), strlen(node->scalar) > 60 ? "..." : "");
    return text;
}

static enum qb_status mismatch(const struct qb_yaml *node, struct qb_error *err, const char *expected)
{
    char text[96];
    return qb_yaml_fail(node, err, "expected %s, found %s", expected, describe(node, text));
}

enum qb_status qb_yaml_expect(const struct qb_yaml *node, enum qb_yaml_kind kind, struct qb_error *err)
{
    static const char *const names[] = {"a single value", "a map", "a list"};
    return node->kind == kind ? QB_OK : mismatch(node, err, names[kind]);
}

enum qb_status qb_yaml_text(const struct qb_yaml *node, const char **value, struct qb_error *err)
{
    if (node->kind != QB_YAML_SCALAR || qb_yaml_is_null(node))
        return mismatch(node, err, "a text");
    *value = node->scalar;
    return QB_OK;
}

/* [+-]?(0|[1-9][0-9]*): no octal, no hexadecimal, no underscores. */
static bool is_integer(const char *text)
{
    text += *text == '+' || *text == '-';
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == '\0' && (digits == 1 || text[0] != '0');
}

enum qb_status qb_yaml_int(const struct qb_yaml *node, int64_t min, int64_t max, int64_t *value, struct qb_error *err)
{
    char expected[96] = "an integer";
    if (min != INT64_MIN && max != INT64_MAX)
        snprintf(expected, sizeof expected, "an integer from %lld to %lld", (long long)min, (long long)max);
    else if (min != INT64_MIN)
        snprintf(expected, sizeof expected, "an integer of at least %lld", (long long)min);
    else if (max != INT64_MAX)
        snprintf(expected, sizeof expected, "an integer of at most %lld", (long long)max);
    if (node->kind != QB_YAML_SCALAR || node->quoted || !is_integer(node->scalar))
        return mismatch(node, err, expected);
    errno = 0;
    long long number = strtoll(node->scalar, NULL, 10);
    if (errno == ERANGE || number < min || number > max)
        return mismatch(node, err, expected);
    *value = number;
    return QB_OK;
}

/* Only decimal notation: strtod alone would take "inf", "nan" and "0x1p3". */
static bool is_decimal(const char *text)
{
    return strpbrk(text, "0123456789") && text[strspn(text, "0123456789+-.eE")] == '\0';
}

enum qb_status qb_yaml_double(const struct qb_yaml *node, double min, double max, double *value, struct qb_error *err)
{
    char expected[96] = "a finite number";
    if (isfinite(min) && isfinite(max))
        snprintf(expected, sizeof expected, "a number from %g to %g", min, max);
    else if (isfinite(min))
        snprintf(expected, sizeof expected, "a finite number of at least %g", min);
    else if (isfinite(max))
        snprintf(expected, sizeof expected, "a finite number of at most %g", max);
    if (node->kind != QB_YAML_SCALAR || node->quoted || !is_decimal(node->scalar))
        return mismatch(node, err, expected);
    char *end;
    double number = strtod(node->scalar, &end);
    if (*end != '\0' || !isfinite(number) || !(number >= min && number <= max))
        return mismatch(node, err, expected);
    *value = number;
    return QB_OK;
}

enum qb_status qb_yaml_bool(const struct qb_yaml *node, bool *value, struct qb_error *err)
{
    static const char *const words[] = {"false", "true", "off", "on", "no", "yes"};
    if (node->kind == QB_YAML_SCALAR && !node->quoted)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strcmp(node->scalar, words[i]) == 0) {
                *value = i % 2 == 1;
                return QB_OK;
            }
    return mismatch(node, err, "true or false");
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

static enum qb_status unknown_key(const struct qb_yaml *node, const char *const *known, struct qb_error *err)
{
    struct qb_text names = {0};
    qb_text_bytes(&names, "", 0);
    for (size_t i = 0; known[i]; i++)
        qb_text_add(&names, "%s%s", i ? ", " : "", known[i]);
    const char *nearest = qb_nearest(node->key, known);
    if (nearest)
        qb_yaml_fail(node, err, "unknown key, did you mean '%s'? (known: %s)", nearest, names.data);
    else
        qb_yaml_fail(node, err, names.size ? "unknown key (known: %s)" : "unknown key: none is known here", names.data);
    qb_text_free(&names);
    return err->status;
}

enum qb_status qb_yaml_known(const struct qb_yaml *map, const char *const *known, struct qb_error *err)
{
    if (qb_yaml_expect(map, QB_YAML_MAP, err))
        return err->status;
    for (size_t i = 0; i < map->count; i++)
        if (!is_known(map->children[i]->key, known))
            return unknown_key(map->children[i], known, err);
    return QB_OK;
}

const char *qb_yaml_nearest_key(const struct qb_yaml *map, const char *word)
{
    struct qb_error err = {0};
    const char **names = qb_alloc(map->count + 1, sizeof *names, "key names", &err);
    if (!names)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        names[i] = map->children[i]->key;
    const char *nearest = qb_nearest(word, names);
    qb_free(names);
    return nearest;
}
