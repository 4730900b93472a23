/* Experiments, variants and limits of a suite. */
#include <string.h>

#include "base/mem.h"
#include "base/text_format.h"
#include "base/utf8.h"
#include "codec/options.h"
#include "run/suite_lists.h"
#include "run/suite_parts.h"

/* ---- experiments ---- */

static const struct qb_experiment *find_experiment(const struct qb_yaml *node, struct qb_error *err)
{
    const char *names[QB_OPTIONS_MAX + 1];
    const struct qb_experiment *const *all = qb_experiments();
    const struct qb_experiment *found = qb_experiment_find(node->key);
    if (found)
        return found;
    size_t n = 0;
    struct qb_text list = {0};
    for (; all[n] && n < QB_OPTIONS_MAX; n++) {
        names[n] = all[n]->name;
        qb_text_add(&list, "%s%s", n ? ", " : "", all[n]->name);
    }
    names[n] = NULL;
    const char *nearest = qb_nearest(node->key, names);
    qb_yaml_fail(node, err, "no experiment of this name%s%s%s; expected one of %s", nearest ? ", did you mean '" : "",
                 nearest ? nearest : "", nearest ? "'?" : "", list.data);
    qb_text_free(&list);
    return NULL;
}

/* The keys that an experiment takes: its options and the words of its inputs. */
static enum qb_status known_keys(const struct qb_yaml *node, const struct qb_codec_option *options,
                                 struct qb_error *err)
{
    static const char *const words[] = {"prompt", "corpus", "context", "chunks",
                                        "offset", "spread", "tasks",   "variants"};
    const char *known[QB_OPTIONS_MAX + sizeof words / sizeof *words + 1];
    size_t n = 0, count = qb_options_count(options);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        known[n++] = words[i];
    for (size_t i = 0; i < count && i < QB_OPTIONS_MAX; i++)
        known[n++] = options[i].name;
    known[n] = NULL;
    return qb_yaml_known(node, known, err);
}

static enum qb_status read_options(struct qb_suite_experiment *entry, struct qb_error *err)
{
    const struct qb_codec_option *options = entry->experiment->options;
    size_t count = qb_options_count(options);
    struct qb_text canonical = {0};
    entry->values = qb_alloc(count, sizeof *entry->values, "options of an experiment", err);
    if (!entry->values)
        return err->status;
    for (size_t i = 0; i < count; i++) {
        const struct qb_yaml *node = entry->over ? qb_yaml_get(entry->over, options[i].name) : NULL;
        node = node ? node : qb_yaml_get(entry->node, options[i].name);
        const char *text = options[i].default_value;
        struct qb_error cause = {0};
        if (node && qb_yaml_text(node, &text, err))
            goto out;
        if (qb_option_parse(&options[i], text, &entry->values[i], &cause)) {
            if (node)
                qb_yaml_fail(node, err, "%s", cause.message);
            else
                qb_fail(err, QB_ERR_INTERNAL, "experiment '%s', default of '%s': %s", entry->experiment->name,
                        options[i].name, cause.message);
            goto out;
        }
        qb_text_add(&canonical, "%s%s=", i ? " " : "", options[i].name);
        qb_option_print(&options[i], &entry->values[i], &canonical);
    }
    entry->canonical = qb_strdup(canonical.data ? canonical.data : "", err);
out:
    qb_text_free(&canonical);
    return err->status;
}

enum qb_status qb_suite_read_experiment(struct qb_suite *suite, const struct qb_yaml *node,
                                        struct qb_suite_experiment *entry, struct qb_error *err)
{
    entry->node = node;
    entry->context = 256;
    entry->chunks = 40;
    entry->experiment = find_experiment(node, err);
    if (!entry->experiment)
        return err->status;
    entry->spread = entry->experiment->reads & QB_READS_AS_LLAMA ? QB_SPREAD_NONE : QB_SPREAD_EVEN;
    /* `memory:` alone, or `memory: {}`: the defaults. */
    bool bare = node->kind == QB_YAML_SCALAR && !node->quoted &&
                (node->scalar[0] == '\0' || strcmp(node->scalar, "~") == 0 || strcmp(node->scalar, "null") == 0);
    if (bare)
        return read_options(entry, err);
    if (qb_yaml_expect(node, QB_YAML_MAP, err) || known_keys(node, entry->experiment->options, err))
        return err->status;
    /* An experiment's prompt serves all models: whether `seed: model` fits is seen when a model takes it. */
    if (qb_words_prompt(suite, qb_yaml_get(node, "prompt"), true, &entry->prompt, err) ||
        qb_words_text(suite, qb_yaml_get(node, "corpus"), &entry->corpus, err) ||
        qb_task_words_read(suite, qb_yaml_get(node, "tasks"), &entry->tasks, &entry->task_count, err) ||
        qb_suite_count(node, "context", 2, 1 << 20, false, &entry->context, err) ||
        qb_suite_count(node, "chunks", 1, 1 << 20, false, &entry->chunks, err) ||
        qb_suite_count(node, "offset", 0, 1 << 30, false, &entry->offset, err) ||
        qb_words_spread(node, &entry->spread, err) || qb_suite_list(node, "variants", &entry->variants, err))
        return err->status;
    return read_options(entry, err);
}

enum qb_status qb_suite_read_override(const struct qb_suite_experiment *base, const struct qb_yaml *options,
                                      struct qb_suite_experiment *entry, struct qb_error *err)
{
    const struct qb_codec_option *list = base->experiment->options;
    const char *known[QB_OPTIONS_MAX + 1];
    size_t n = 0, count = qb_options_count(list);
    for (; n < count && n < QB_OPTIONS_MAX; n++)
        known[n] = list[n].name;
    known[n] = NULL;
    *entry = *base;
    entry->values = NULL;
    entry->canonical = NULL;
    entry->over = options;
    if (qb_yaml_expect(options, QB_YAML_MAP, err) || qb_yaml_known(options, known, err))
        return err->status;
    return read_options(entry, err);
}

/* ---- variants ---- */

static bool is_path(const char *text)
{
    size_t n = strlen(text);
    return strchr(text, '/') || (n > 5 && strcmp(text + n - 5, ".yaml") == 0) ||
           (n > 4 && strcmp(text + n - 4, ".yml") == 0);
}

/* A variant that the user defines; `at` names it. */
static enum qb_status own_variant(const struct qb_suite_options *options, const struct qb_yaml *map, const char *name,
                                  const struct qb_yaml *at, struct qb_variant **variant, struct qb_error *err)
{
    if (qb_variant_read(map, name, options->registry, options->isa, variant, err) ||
        !qb_variant_check_name(*variant, at, options->registry, options->isa, err))
        return err->status;
    qb_variant_free(*variant);
    *variant = NULL;
    return err->status;
}

/* A file of one variant, its name inside. */
static enum qb_status variant_file(const struct qb_suite *suite, const struct qb_suite_options *options,
                                   const struct qb_yaml *node, struct qb_variant **variant, struct qb_error *err)
{
    char path[4096];
    struct qb_yaml *root = NULL;
    const char *name = NULL;
    if (qb_suite_file(suite, node, path, err))
        return err->status;
    if (qb_yaml_load(path, &root, err) || qb_yaml_expect(root, QB_YAML_MAP, err))
        goto out;
    const struct qb_yaml *key = qb_yaml_get(root, "name");
    if (!key)
        qb_yaml_fail(root, err, "expected the key 'name'");
    else if (!qb_yaml_text(key, &name, err) && !qb_suite_name(key, name, "a variant name", err))
        own_variant(options, root, name, key, variant, err);
out:
    qb_yaml_free(root);
    return err->status;
}

/* The name of a variant that is a map. */
static enum qb_status entry_name(const struct qb_yaml *node, const char **name, struct qb_error *err)
{
    const struct qb_yaml *key = qb_yaml_get(node, "name");
    if (!key)
        return qb_yaml_fail(node, err, "expected the key 'name' in this variant");
    return qb_yaml_text(key, name, err) ? err->status : qb_suite_name(key, *name, "a variant name", err);
}

static enum qb_status no_reference(const struct qb_yaml *node, const struct qb_variant *variant, struct qb_error *err)
{
    return strcmp(variant->name, "reference") == 0
               ? qb_yaml_fail(node, err, "the name 'reference' is kept for the FP32 run")
               : QB_OK;
}

enum qb_status qb_suite_read_listed(const struct qb_suite_options *options, const struct qb_yaml *node, size_t which,
                                    struct qb_variant **variant, struct qb_error *err)
{
    struct qb_lists_choice choice = {0};
    const char *name = "";
    const struct qb_yaml *key = qb_yaml_get(node, "name"), *base = qb_yaml_get(node, "base");
    const struct qb_yaml *at = key ? key : base; /* where the name comes from */
    const bool nameless = !key && base && base->kind == QB_YAML_LIST;
    if ((nameless || !entry_name(node, &name, err)) && !qb_lists_choose(node, name, which, &choice, err) &&
        !qb_suite_name(at, choice.name.data, "a variant name", err))
        own_variant(options, &choice.map, choice.name.data, at, variant, err);
    qb_lists_free(&choice);
    return err->status ? err->status : no_reference(node, *variant, err);
}

enum qb_status qb_suite_read_variant(const struct qb_suite *suite, const struct qb_suite_options *options,
                                     const struct qb_yaml *node, struct qb_variant **variant, struct qb_error *err)
{
    const char *name = NULL;
    if (node->kind == QB_YAML_MAP) {
        if (entry_name(node, &name, err) || own_variant(options, node, name, qb_yaml_get(node, "name"), variant, err))
            return err->status;
    } else {
        if (qb_yaml_text(node, &name, err))
            return qb_wrap(err, "a variant is a built-in's name, a path to a YAML file or a map");
        if (is_path(name)) {
            if (variant_file(suite, options, node, variant, err))
                return err->status;
        } else {
            struct qb_error cause = {0};
            if (qb_variant_builtin(name, options->registry, options->isa, variant, &cause)) {
                qb_yaml_fail(node, err, "%s", cause.message);
                return err->status = cause.status;
            }
        }
    }
    return no_reference(node, *variant, err);
}

/* ---- limits ---- */

static enum qb_status read_bytes(const struct qb_yaml *node, uint64_t *bytes, struct qb_error *err)
{
    const char *text = NULL;
    if (qb_yaml_text(node, &text, err))
        return err->status;
    return qb_read_bytes(text, bytes)
               ? QB_OK
               : qb_yaml_fail(node, err, "expected bytes such as 2GiB, 512MiB or 1048576, found '%.*s'",
                              QB_UPTO(80, text));
}

enum qb_status qb_suite_read_limits(const struct qb_yaml *node, struct qb_suite_limits *limits, struct qb_error *err)
{
    static const char *const known[] = {"seconds", "memory", "cells", "unsaved", NULL};
    *limits = (struct qb_suite_limits){.seconds = 300, .unsaved = 1, .memory = 0, .cells = 100000};
    if (!node)
        return QB_OK;
    if (qb_yaml_expect(node, QB_YAML_MAP, err) || qb_yaml_known(node, known, err))
        return err->status;
    const struct qb_yaml *seconds = qb_yaml_get(node, "seconds"), *memory = qb_yaml_get(node, "memory"),
                         *unsaved = qb_yaml_get(node, "unsaved");
    if ((seconds && qb_yaml_double(seconds, 0.01, 1e7, &limits->seconds, err)) ||
        (unsaved && qb_yaml_double(unsaved, 0, 1e7, &limits->unsaved, err)) ||
        (memory && read_bytes(memory, &limits->memory, err)) ||
        qb_suite_count(node, "cells", 1, 1 << 24, false, &limits->cells, err))
        return err->status;
    if (memory && limits->memory < (1u << 20))
        return qb_yaml_fail(memory, err, "expected at least 1MiB, found %llu bytes",
                            (unsigned long long)limits->memory);
    return QB_OK;
}
