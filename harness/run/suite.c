/* The suite as a whole: the file, --set, names, and what holds between models, variants and experiments. */
#include "run/suite.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "run/suite_lists.h"
#include "run/suite_parts.h"

static void free_model(struct qb_suite_model *model);

/* ---- sections ---- */

/* Room for the entries of the section `key`, which must be there and have 1 to QB_SUITE_SIDE_MAX; NULL on failure. */
static void *section(const struct qb_suite *suite, const char *key, enum qb_yaml_kind kind, size_t size,
                     const struct qb_yaml **out, struct qb_error *err)
{
    const struct qb_yaml *node = *out = qb_yaml_get(suite->root, key);
    if (!node)
        qb_yaml_fail(suite->root, err, "expected the key '%s'", key);
    else if (!qb_yaml_expect(node, kind, err) && (node->count == 0 || node->count > QB_SUITE_SIDE_MAX))
        qb_yaml_fail(node, err, "expected 1 to %d entries, found %zu", QB_SUITE_SIDE_MAX, node->count);
    return err->status ? NULL : qb_alloc(node->count, size, key, err);
}

/* Those that --only leaves out need no file; but a choice that takes none is of another name, to be told of all. */
static enum qb_status read_models(struct qb_suite *suite, const struct qb_only *only, struct qb_error *err)
{
    bool chosen = false;
    const struct qb_yaml *node = NULL;
    suite->models = section(suite, "models", QB_YAML_MAP, sizeof *suite->models, &node, err);
    if (!suite->models)
        return err->status;
    suite->model_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        chosen = chosen || (only && qb_only_model(only, node->children[i]->key));
    for (size_t i = 0; i < node->count; i++) {
        const bool wanted = !chosen || qb_only_model(only, node->children[i]->key);
        if (qb_suite_read_model(suite, node->children[i], wanted, &suite->models[i], err))
            return err->status;
        /* Readers, and file systems of report folders, may take such names for one. */
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(suite->models[i].name, suite->models[j].name) == 0)
                return qb_yaml_fail(node->children[i], err, "differs from the model '%s' in case alone",
                                    suite->models[j].name);
    }
    return QB_OK;
}

static enum qb_status read_experiments(struct qb_suite *suite, struct qb_error *err)
{
    const struct qb_yaml *node = NULL;
    suite->experiments = section(suite, "experiments", QB_YAML_MAP, sizeof *suite->experiments, &node, err);
    if (!suite->experiments)
        return err->status;
    suite->experiment_count = node->count;
    for (size_t i = 0; i < node->count; i++)
        if (qb_suite_read_experiment(suite, node->children[i], &suite->experiments[i], err))
            return err->status;
    return QB_OK;
}

/* Room for the variants that the entries of the list make. */
static enum qb_status count_variants(struct qb_suite *suite, const struct qb_yaml *list, struct qb_error *err)
{
    size_t all = 0, count;
    for (size_t i = 0; i < list->count; i++) {
        if (qb_lists_count(list->children[i], &count, err))
            return err->status;
        all += count;
    }
    if (all > QB_SUITE_SIDE_MAX)
        return qb_yaml_fail(list, err, "expected 1 to %d variants, these make %zu", QB_SUITE_SIDE_MAX, all);
    struct qb_variant **grown = qb_grow(suite->variants, all, sizeof *grown, "variants", err);
    suite->variants = grown ? grown : suite->variants;
    return err->status;
}

static enum qb_status read_variants(struct qb_suite *suite, const struct qb_suite_options *options,
                                    struct qb_error *err)
{
    const struct qb_yaml *node = NULL;
    suite->variants = section(suite, "variants", QB_YAML_LIST, sizeof(struct qb_variant *), &node, err);
    if (!suite->variants || count_variants(suite, node, err))
        return err->status;
    for (size_t i = 0; i < node->count; i++) {
        const struct qb_yaml *entry = node->children[i];
        size_t count;
        if (qb_lists_count(entry, &count, err))
            return err->status;
        for (size_t which = 0; which < count; which++) {
            struct qb_variant **made = &suite->variants[suite->variant_count];
            *made = NULL;
            suite->variant_count++;
            if (qb_lists_are(entry) ? qb_suite_read_listed(options, entry, which, made, err)
                                    : qb_suite_read_variant(suite, options, entry, made, err))
                return err->status;
            for (size_t j = 0; j + 1 < suite->variant_count; j++)
                if (strcmp((*made)->name, suite->variants[j]->name) == 0)
                    return qb_yaml_fail(entry, err, "variant '%s' is in the list twice", (*made)->name);
        }
    }
    return QB_OK;
}

/* Every entry of a restriction must name something of the suite. */
static enum qb_status check_restriction(const struct qb_yaml *list, const struct qb_suite *suite, bool variants,
                                        struct qb_error *err)
{
    size_t count = variants ? suite->variant_count : suite->experiment_count;
    for (size_t i = 0; list && i < list->count; i++) {
        const char *glob = NULL;
        bool found = false;
        if (qb_yaml_text(list->children[i], &glob, err))
            return err->status;
        for (size_t j = 0; j < count && !found; j++)
            found = qb_glob(glob, variants ? suite->variants[j]->name : suite->experiments[j].experiment->name);
        if (!found)
            return qb_yaml_fail(list->children[i], err, "expected one of the suite's %s, found '%s'",
                                variants ? "variants" : "experiments", glob);
    }
    return QB_OK;
}

/* models.<name>.options: each key names an experiment of the suite. */
static enum qb_status read_overrides(const struct qb_suite *suite, struct qb_suite_model *model, struct qb_error *err)
{
    if (!model->options)
        return QB_OK;
    if (qb_yaml_expect(model->options, QB_YAML_MAP, err))
        return err->status;
    model->own = qb_alloc(model->options->count, sizeof *model->own, "a model's own options", err);
    for (size_t i = 0; model->own && i < model->options->count; i++) {
        const struct qb_yaml *node = model->options->children[i];
        size_t e = 0;
        while (e < suite->experiment_count && strcmp(suite->experiments[e].experiment->name, node->key) != 0)
            e++;
        if (e == suite->experiment_count)
            return qb_yaml_fail(node, err, "expected one of the suite's experiments, found '%s'", node->key);
        model->own_count++;
        if (qb_suite_read_override(&suite->experiments[e], node, &model->own[i], err))
            return err->status;
    }
    return model->own ? QB_OK : err->status;
}

const struct qb_suite_experiment *qb_suite_experiment_of(const struct qb_suite *suite, size_t m, size_t e)
{
    const struct qb_suite_model *model = &suite->models[m];
    for (size_t i = 0; i < model->own_count; i++)
        if (model->own[i].experiment == suite->experiments[e].experiment)
            return &model->own[i];
    return &suite->experiments[e];
}

/* What no single entry can see: restrictions that name nothing, calibrated variants on models without contexts. */
static enum qb_status check_whole(const struct qb_suite *suite, struct qb_error *err)
{
    for (size_t e = 0; e < suite->experiment_count; e++)
        if (check_restriction(suite->experiments[e].variants, suite, true, err))
            return err->status;
    for (size_t m = 0; m < suite->model_count; m++) {
        const struct qb_suite_model *model = &suite->models[m];
        if (check_restriction(model->experiments, suite, false, err) ||
            check_restriction(model->variants, suite, true, err))
            return err->status;
        if (model->generator || model->calibration.kind || suite->calibration.kind)
            continue;
        for (size_t v = 0; v < suite->variant_count; v++)
            if (suite->variants[v]->takes_contexts && qb_suite_allows(model, suite->variants[v], NULL))
                return qb_yaml_fail(model->node, err,
                                    "variant '%s' is calibrated: expected the key 'calibration' here or in the suite, "
                                    "such as {corpus: data/corpus/kjv.calibration, contexts: 50, length: 20}",
                                    suite->variants[v]->name);
    }
    return QB_OK;
}

static bool listed(const struct qb_yaml *list, const char *name)
{
    if (!list)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (qb_glob(list->children[i]->scalar, name))
            return true;
    return false;
}

bool qb_suite_allows(const struct qb_suite_model *model, const struct qb_variant *variant,
                     const struct qb_suite_experiment *experiment)
{
    return (!variant || listed(model->variants, variant->name)) &&
           (!experiment || listed(model->experiments, experiment->experiment->name)) &&
           (!experiment || !variant || listed(experiment->variants, variant->name));
}

/* Takes models whose files need not be there and are not, checked as the others are by now, out of the suite. */
static enum qb_status leave_out(struct qb_suite *suite, struct qb_error *err)
{
    size_t kept = 0;
    if (!(suite->absent = qb_alloc(suite->model_count, sizeof *suite->absent, "models", err)))
        return err->status;
    for (size_t i = 0; i < suite->model_count; i++) {
        struct qb_suite_model model = suite->models[i];
        suite->models[i] = (struct qb_suite_model){0};
        if (!model.absent) {
            suite->models[kept++] = model;
            continue;
        }
        suite->absent[suite->absent_count++] = (struct qb_suite_absent){model.node, model.optional};
        free_model(&model);
    }
    suite->model_count = kept;
    return kept ? QB_OK
                : qb_yaml_fail(qb_yaml_get(suite->root, "models"), err,
                               "no model is there: all are optional or not asked for, and their files are missing");
}

static enum qb_status read_root(struct qb_suite *suite, const struct qb_suite_options *options, struct qb_error *err)
{
    static const char *const known[] = {"name",        "summary", "seed",    "models", "variants", "experiments",
                                        "calibration", "limits",  "plugins", "search", NULL};
    const struct qb_yaml *root = suite->root, *name = qb_yaml_get(root, "name"), *seed = qb_yaml_get(root, "seed");
    const char *text = NULL;
    int64_t number = 0;
    if (qb_yaml_expect(root, QB_YAML_MAP, err) || qb_yaml_known(root, known, err))
        return err->status;
    if (!name)
        return qb_yaml_fail(root, err, "expected the key 'name'");
    if (qb_yaml_text(name, &text, err) || qb_suite_name(name, text, "a name", err) ||
        !(suite->name = qb_strdup(text, err)))
        return err->status;
    if (seed && qb_yaml_int(seed, 0, UINT32_MAX, &number, err))
        return err->status;
    suite->seed = (uint32_t)number;
    if (qb_yaml_get(root, "summary") && qb_yaml_text(qb_yaml_get(root, "summary"), &text, err))
        return err->status;
    if (qb_words_calibration(suite, qb_yaml_get(root, "calibration"), true, &suite->calibration, err) ||
        qb_suite_read_limits(qb_yaml_get(root, "limits"), &suite->limits, err) ||
        qb_suite_read_plugins(suite, qb_yaml_get(root, "plugins"), err) || read_models(suite, options->only, err) ||
        read_experiments(suite, err) || read_variants(suite, options, err))
        return err->status;
    for (size_t m = 0; m < suite->model_count; m++)
        if (read_overrides(suite, &suite->models[m], err))
            return err->status;
    return check_whole(suite, err) ? err->status : leave_out(suite, err);
}

static enum qb_status split_path(struct qb_suite *suite, const char *path, struct qb_error *err)
{
    char *slash;
    if (!(suite->path = qb_strdup(path, err)) || !(suite->folder = qb_strdup(path, err)))
        return err->status;
    slash = strrchr(suite->folder, '/');
    if (slash == suite->folder)
        slash[1] = '\0';
    else if (slash)
        *slash = '\0';
    else if (qb_free(suite->folder), !(suite->folder = qb_strdup(".", err)))
        return err->status;
    return QB_OK;
}

enum qb_status qb_suite_load(const char *path, const struct qb_suite_options *options, struct qb_suite **out,
                             struct qb_error *err)
{
    struct qb_suite *suite = qb_alloc(1, sizeof *suite, "suite", err);
    if (!suite)
        return err->status;
    suite->registry = options->registry;
    suite->isa = options->isa;
    if (split_path(suite, path, err) || qb_yaml_load(path, &suite->root, err))
        goto out;
    for (size_t i = 0; options->set && options->set[i]; i++)
        if (qb_suite_set(suite->root, options->set[i], err))
            goto out;
    if (read_root(suite, options, err))
        goto out;
    qb_yaml_print(suite->root, &suite->text);
    if (suite->text.failed)
        qb_fail(err, QB_ERR_MEMORY, "no memory for the suite's text");
out:
    if (err->status)
        qb_suite_free(suite);
    else
        *out = suite;
    return err->status;
}

static void free_experiments(struct qb_suite_experiment *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        qb_free(list[i].values);
        qb_free(list[i].canonical);
    }
    qb_free(list);
}

static void free_model(struct qb_suite_model *model)
{
    qb_free(model->name);
    qb_free(model->generator);
    qb_free(model->file);
    qb_free(model->tokenizer);
    qb_words_free(&model->prompt);
    qb_words_free(&model->corpus);
    qb_words_free(&model->calibration);
    free_experiments(model->own, model->own_count);
}

void qb_suite_free(struct qb_suite *suite)
{
    if (!suite)
        return;
    for (size_t i = 0; i < suite->model_count; i++)
        free_model(&suite->models[i]);
    for (size_t i = 0; i < suite->variant_count; i++)
        qb_variant_free(suite->variants[i]);
    for (size_t i = 0; i < suite->experiment_count; i++) {
        qb_words_free(&suite->experiments[i].prompt);
        qb_words_free(&suite->experiments[i].corpus);
        qb_task_words_free(suite->experiments[i].tasks, suite->experiments[i].task_count);
    }
    qb_words_free(&suite->calibration);
    qb_free(suite->models);
    qb_free(suite->absent);
    qb_free(suite->variants);
    free_experiments(suite->experiments, suite->experiment_count);
    qb_text_free(&suite->text);
    qb_yaml_free(suite->root);
    qb_free(suite->name);
    qb_free(suite->path);
    qb_free(suite->folder);
    qb_free(suite);
}
