#include "arch/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/json.h"

static const json_t *raw(const struct qb_config *config, const char *key)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", config->prefix, key);
    return json_object_get(config->json, name);
}

const json_t *qb_config_get(const struct qb_config *config, const char *key)
{
    const json_t *value = raw(config, key);
    if (json_is_array(value) && json_array_size(value) > 0 && json_is_number(json_array_get(value, 0))) {
        const double first = json_number_value(json_array_get(value, 0));
        size_t i = 1;
        while (i < json_array_size(value) && json_number_value(json_array_get(value, i)) == first)
            i++;
        if (i == json_array_size(value))
            return json_array_get(value, 0);
    }
    return json_is_null(value) ? NULL : value;
}

static enum qb_status wrong(const struct qb_config *config, const char *key, const json_t *value, const char *expected,
                            struct qb_error *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    qb_fail(err, QB_ERR_INPUT, "%s%s is %.*s, expected %s", config->prefix, key, QB_UPTO(64, text ? text : "wrong"),
            expected);
    qb_json_free(text);
    return err->status;
}

enum qb_status qb_config_number(const struct qb_config *config, const char *key, double least, double most,
                                double otherwise, double *value, struct qb_error *err)
{
    const json_t *found = qb_config_get(config, key);
    char expected[96];
    *value = found ? json_number_value(found) : otherwise;
    if (!found || (json_is_number(found) && *value >= least && *value <= most))
        return QB_OK;
    snprintf(expected, sizeof expected, "a number from %g to %.9g", least, most);
    return wrong(config, key, found, expected, err);
}

enum qb_status qb_config_size(const struct qb_config *config, const char *key, size_t *value, struct qb_error *err)
{
    double number;
    if (qb_config_number(config, key, 0, 1u << 24, 0, &number, err))
        return err->status;
    if (number != floor(number))
        return wrong(config, key, qb_config_get(config, key), "a whole number", err);
    *value = (size_t)number;
    return QB_OK;
}

enum qb_status qb_config_flag(const struct qb_config *config, const char *key, bool otherwise, bool *value,
                              struct qb_error *err)
{
    const json_t *found = qb_config_get(config, key);
    *value = found ? json_is_true(found) : otherwise;
    return !found || json_is_boolean(found) ? QB_OK : wrong(config, key, found, "true or false", err);
}

enum qb_status qb_config_text(const struct qb_config *config, const char *key, const char **text, struct qb_error *err)
{
    const json_t *found = qb_config_get(config, key);
    *text = json_string_value(found);
    return !found || *text ? QB_OK : wrong(config, key, found, "a word", err);
}

/* Is the family's name a word of the list? */
static bool of_family(const struct qb_config *config, const char *families)
{
    const size_t size = strlen(config->family->name);
    for (const char *at = families; at && *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == size && strncmp(at, config->family->name, size) == 0)
            return true;
    return families == NULL;
}

enum qb_status qb_config_options(const struct qb_config *config, const struct qb_config_key *keys, struct qb_error *err)
{
    for (const struct qb_config_key *row = keys; row->key; row++) {
        const json_t *value = qb_config_get(config, row->key);
        char name[128];
        snprintf(name, sizeof name, "%s%s", config->prefix, row->key);
        if (!row->option || !of_family(config, row->families) || !raw(config, row->key))
            continue;
        if (value && !json_is_number(value))
            return wrong(config, row->key, value, "a number", err);
        if (qb_arch_option_set(config->arch, row->option, name, json_number_value(value), err))
            return err->status;
    }
    return QB_OK;
}

bool qb_config_knows(const struct qb_config *config, const struct qb_config_key *keys, const char *key)
{
    for (const struct qb_config_key *row = keys; row->key; row++)
        if (strcmp(row->key, key) == 0 && of_family(config, row->families))
            return true;
    return false;
}

bool qb_config_off(const json_t *value)
{
    const double number = json_number_value(value);
    return json_is_null(value) || json_is_false(value) || (json_is_number(value) && (number == 0.0 || number == 1.0)) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

enum qb_status qb_config_refuse(const char *key, const json_t *value, struct qb_error *err)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(9));
    qb_fail(err, QB_ERR_INPUT,
            "%.*s is %.*s: this program does not know the option, and it may change what is computed", QB_UPTO(96, key),
            QB_UPTO(64, text ? text : "set"));
    qb_json_free(text);
    return err->status;
}

void qb_config_window(struct qb_arch *arch, size_t layer, bool windowed)
{
    const uint64_t bit = (uint64_t)1 << layer % 64;
    arch->windowed[layer / 64] = (arch->windowed[layer / 64] & ~bit) | (windowed ? bit : 0);
}

enum qb_status qb_config_finish(const struct qb_config *config, struct qb_error *err)
{
    struct qb_arch *arch = config->arch;
    bool any = false;
    for (size_t i = 0; i < QB_LAYERS_MAX / 64; i++)
        any = any || arch->windowed[i];
    if (!any) {
        arch->window = 0;
        arch->rope[1] = arch->rope[0];
    }
    return qb_arch_check(arch, err);
}

static const char *word_of(const struct qb_family *family, enum qb_source source)
{
    return source == QB_SOURCE_GGUF ? family->gguf : family->hf;
}

const struct qb_family *qb_config_family(enum qb_source source, const char *key, const char *word, struct qb_error *err)
{
    const struct qb_family *family;
    struct qb_text names = {0};
    for (size_t i = 0; (family = qb_family_at(i)); i++) {
        const char *name = word_of(family, source);
        if (name && word && strcmp(name, word) == 0) {
            qb_text_free(&names);
            return family;
        }
        if (name)
            qb_text_add(&names, "%s%s", names.size ? ", " : "", name);
    }
    qb_fail(err, QB_ERR_INPUT, "%s is '%.*s', expected one of %s", key, QB_UPTO(64, word ? word : ""),
            names.data ? names.data : "those known");
    qb_text_free(&names);
    return NULL;
}
