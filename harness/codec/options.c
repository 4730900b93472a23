#include "codec/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/text_format.h"
#include "base/yaml.h"
#include "codec/registry.h"
#include "base/utf8.h"

/* The index of text in a list "a|b|c"; -1: not there. */
static int choice_index(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (int index = 0;; index++) {
        size_t span = strcspn(choices, "|");
        if (span == size && strncmp(choices, text, size) == 0)
            return index;
        if (choices[span] == '\0')
            return -1;
        choices += span + 1;
    }
}

/* Digits with an optional minus, nothing around them. */
static bool read_int(const char *text, int64_t *value)
{
    if (text[strspn(text, "-0123456789")] != '\0')
        return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *value = number;
    return end != text && *end == '\0' && errno == 0;
}

static bool read_float(const char *text, double *value)
{
    if (text[strspn(text, "+-.0123456789eE")] != '\0')
        return false;
    char *end;
    *value = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*value);
}

static bool read_bool(const char *text, int64_t *value)
{
    static const char *const words[] = {"false", "true", "off", "on", "no", "yes"};
    for (int i = 0; i < 6; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i % 2;
            return true;
        }
    }
    return false;
}

static bool read_scope(const char *text, struct qb_scope *scope)
{
    *scope = (struct qb_scope){.kind = QB_SCOPE_TENSOR};
    if (strcmp(text, "tensor") == 0)
        return true;
    scope->kind = QB_SCOPE_ROW;
    if (strcmp(text, "row") == 0)
        return true;
    int64_t group;
    if (strncmp(text, "group:", 6) != 0 || !read_int(text + 6, &group) || group < 1 || group > QB_SCOPE_GROUP_MAX)
        return false;
    *scope = (struct qb_scope){.kind = QB_SCOPE_GROUP, .group = (uint32_t)group};
    return true;
}

#define SIZE_MOST (1ull << 60) /* bytes: an integer that a double holds, as the bounds are given */

static bool read_size(const char *text, int64_t *value)
{
    uint64_t bytes = 0;
    if (strcmp(text, "none") != 0 && (!qb_read_bytes(text, &bytes) || bytes == 0 || bytes > SIZE_MOST))
        return false;
    *value = (int64_t)bytes;
    return true;
}

static bool read_value(const struct qb_codec_option *option, const char *text, union qb_option_value *value)
{
    switch (option->type) {
    case QB_OPTION_INT:
        return read_int(text, &value->i) && (double)value->i >= option->min && (double)value->i <= option->max;
    case QB_OPTION_FLOAT:
        return read_float(text, &value->f) && value->f >= option->min && value->f <= option->max;
    case QB_OPTION_BOOL:
        return read_bool(text, &value->i);
    case QB_OPTION_CHOICE:
        value->i = choice_index(option->choices, text);
        return value->i >= 0;
    case QB_OPTION_SCOPE:
        return read_scope(text, &value->scope);
    case QB_OPTION_SIZE:
        return read_size(text, &value->i) &&
               (value->i == 0 || ((double)value->i >= option->min && (double)value->i <= option->max));
    }
    return false;
}

enum qb_status qb_option_parse(const struct qb_codec_option *option, const char *text, union qb_option_value *value,
                               struct qb_error *err)
{
    memset(value, 0, sizeof *value);
    if (read_value(option, text, value))
        return QB_OK;
    struct qb_text domain = {0};
    qb_option_domain(option, &domain);
    qb_fail(err, QB_ERR_INPUT, "expected %s, found '%s'", domain.data ? domain.data : "another value", text);
    qb_text_free(&domain);
    return err->status;
}

/* The shortest decimal that reads back to the same double. */
static void print_double(double value, struct qb_text *out)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    qb_text_add(out, "%s", text);
}

/* In the largest unit that it is a whole number of. */
static void print_size(int64_t bytes, struct qb_text *out)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; unit < 4 && bytes > 0 && bytes % 1024 == 0; unit++)
        bytes /= 1024;
    if (bytes == 0)
        qb_text_add(out, "none");
    else
        qb_text_add(out, "%lld%s", (long long)bytes, units[unit]);
}

void qb_option_print(const struct qb_codec_option *option, const union qb_option_value *value, struct qb_text *out)
{
    static const char *const scopes[] = {"tensor", "row"};
    const char *choice = option->choices;
    switch (option->type) {
    case QB_OPTION_INT:
        qb_text_add(out, "%lld", (long long)value->i);
        break;
    case QB_OPTION_FLOAT:
        print_double(value->f, out);
        break;
    case QB_OPTION_BOOL:
        qb_text_add(out, "%s", value->i ? "true" : "false");
        break;
    case QB_OPTION_CHOICE:
        for (int64_t i = 0; i < value->i; i++)
            choice += strcspn(choice, "|") + 1;
        qb_text_bytes(out, choice, strcspn(choice, "|"));
        break;
    case QB_OPTION_SCOPE:
        if (value->scope.kind == QB_SCOPE_GROUP)
            qb_text_add(out, "group:%u", value->scope.group);
        else
            qb_text_add(out, "%s", scopes[value->scope.kind == QB_SCOPE_ROW]);
        break;
    case QB_OPTION_SIZE:
        print_size(value->i, out);
        break;
    }
}

void qb_option_domain(const struct qb_codec_option *option, struct qb_text *out)
{
    switch (option->type) {
    case QB_OPTION_INT:
    case QB_OPTION_FLOAT:
        qb_text_add(out, option->type == QB_OPTION_INT ? "an integer in [" : "a number in [");
        print_double(option->min, out);
        qb_text_add(out, ", ");
        print_double(option->max, out);
        qb_text_add(out, "]");
        break;
    case QB_OPTION_BOOL:
        qb_text_add(out, "true or false");
        break;
    case QB_OPTION_CHOICE:
        qb_text_add(out, "one of ");
        for (const char *at = option->choices; *at; at++)
            *at == '|' ? qb_text_add(out, ", ") : qb_text_bytes(out, at, 1);
        break;
    case QB_OPTION_SCOPE:
        qb_text_add(out, "tensor, row or group:N (1 <= N <= %d)", QB_SCOPE_GROUP_MAX);
        break;
    case QB_OPTION_SIZE:
        qb_text_add(out, "bytes in [");
        print_size((int64_t)option->min, out);
        qb_text_add(out, ", ");
        print_size((int64_t)option->max, out);
        qb_text_add(out, "], as 4GiB, 512MiB or 1048576, or none");
        break;
    }
}

size_t qb_options_count(const struct qb_codec_option *options)
{
    size_t count = 0;
    while (options && count <= QB_OPTIONS_MAX && options[count].name)
        count++;
    return count;
}

/* No entry of "a|b|c" is empty or twice there. */
static bool choices_are_sound(const char *choices)
{
    if (!choices || !*choices)
        return false;
    int index = 0;
    for (const char *at = choices;; index++) {
        size_t span = strcspn(at, "|");
        char word[64];
        if (span == 0 || span >= sizeof word)
            return false;
        memcpy(word, at, span);
        word[span] = '\0';
        if (choice_index(choices, word) != index)
            return false;
        if (!at[span])
            return true;
        at += span + 1;
    }
}

static enum qb_status check_option(const struct qb_codec_option *option, struct qb_error *err)
{
    if (!*option->name || option->name[strspn(option->name, "abcdefghijklmnopqrstuvwxyz_")])
        return qb_fail(err, QB_ERR_CODEC, "its name is not [a-z_]+");
    if ((int)option->type < QB_OPTION_INT || option->type > QB_OPTION_SIZE)
        return qb_fail(err, QB_ERR_CODEC, "its type %d is unknown", (int)option->type);
    bool number = option->type == QB_OPTION_INT || option->type == QB_OPTION_FLOAT;
    if (number && !(isfinite(option->min) && isfinite(option->max) && option->min <= option->max))
        return qb_fail(err, QB_ERR_CODEC, "its range [%g, %g] is empty or not finite", option->min, option->max);
    if (option->type == QB_OPTION_SIZE &&
        !(option->min >= 1 && option->min <= option->max && option->max <= (double)SIZE_MOST))
        return qb_fail(err, QB_ERR_CODEC, "its range [%g, %g] is empty or not in [1, 2^60]", option->min, option->max);
    if (option->type == QB_OPTION_CHOICE && !choices_are_sound(option->choices))
        return qb_fail(err, QB_ERR_CODEC, "its choices '%s' are no list of different words separated by '|'",
                       option->choices ? option->choices : "");
    if (!option->help || !*option->help)
        return qb_fail(err, QB_ERR_CODEC, "it has no help line");
    if (!option->default_value)
        return qb_fail(err, QB_ERR_CODEC, "it has no default");
    union qb_option_value value;
    if (qb_option_parse(option, option->default_value, &value, err)) {
        err->status = QB_ERR_CODEC;
        return qb_wrap(err, "its default");
    }
    return QB_OK;
}

enum qb_status qb_options_check(const struct qb_codec_option *options, struct qb_error *err)
{
    size_t count = qb_options_count(options);
    if (count > QB_OPTIONS_MAX)
        return qb_fail(err, QB_ERR_CODEC, "the option list has more than %d entries or no end", QB_OPTIONS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (check_option(&options[i], err))
            return qb_wrap(err, "option '%.*s'", QB_UPTO(40, options[i].name));
        for (size_t j = 0; j < i; j++)
            if (strcmp(options[i].name, options[j].name) == 0)
                return qb_fail(err, QB_ERR_CODEC, "option '%s' is listed twice", options[i].name);
    }
    return QB_OK;
}

static enum qb_status read_node(const struct qb_codec_option *option, const struct qb_yaml *node,
                                union qb_option_value *value, struct qb_error *err)
{
    if (qb_yaml_expect(node, QB_YAML_SCALAR, err))
        return err->status;
    struct qb_error why = {0};
    bool word = option->type == QB_OPTION_CHOICE || option->type == QB_OPTION_SCOPE || option->type == QB_OPTION_SIZE;
    if (node->quoted && !word)
        return qb_yaml_fail(node, err, "expected a plain value, found the quoted text \"%s\"", node->scalar);
    if (qb_option_parse(option, node->scalar, value, &why))
        return qb_yaml_fail(node, err, "%s", why.message);
    return QB_OK;
}

enum qb_status qb_format_make(const struct qb_plugin *plugin, const struct qb_yaml *options, enum qb_isa isa,
                              struct qb_format *format, struct qb_error *err)
{
    const struct qb_codec_option *list = plugin->codec->options;
    size_t count = qb_options_count(list);
    *format = (struct qb_format){.plugin = plugin, .value_count = count};
    if (options) {
        const char *names[QB_OPTIONS_MAX + 1] = {NULL};
        for (size_t i = 0; i < count && i < QB_OPTIONS_MAX; i++)
            names[i] = list[i].name;
        if (qb_yaml_expect(options, QB_YAML_MAP, err) || qb_yaml_known(options, names, err))
            return qb_wrap(err, "options of codec '%s'", plugin->codec->id);
    }
    format->values = qb_alloc(count, sizeof *format->values, "codec options", err);
    if (!format->values)
        return err->status;
    for (size_t i = 0; i < count; i++) {
        const struct qb_yaml *node = options ? qb_yaml_get(options, list[i].name) : NULL;
        if (node ? read_node(&list[i], node, &format->values[i], err)
                 : qb_option_parse(&list[i], list[i].default_value, &format->values[i], err)) {
            qb_format_free(format);
            return qb_wrap(err, "options of codec '%s'", plugin->codec->id);
        }
    }
    format->config =
        (struct qb_codec_config){.struct_size = sizeof format->config, .isa = (int32_t)isa, .options = format->values};
    return QB_OK;
}

void qb_format_free(struct qb_format *format)
{
    qb_free(format->values);
    *format = (struct qb_format){0};
}

void qb_format_print(const struct qb_format *format, struct qb_text *out)
{
    const struct qb_codec_option *list = format->plugin->codec->options;
    const char *last = "";
    for (size_t done = 0; done < format->value_count; done++) { /* by name: the next one after `last` */
        size_t next = SIZE_MAX;
        for (size_t i = 0; i < format->value_count; i++)
            if (strcmp(list[i].name, last) > 0 && (next == SIZE_MAX || strcmp(list[i].name, list[next].name) < 0))
                next = i;
        last = list[next].name;
        qb_text_add(out, "%s%s=", done ? " " : "", last);
        qb_option_print(&list[next], &format->values[next], out);
    }
}
