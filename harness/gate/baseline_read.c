/* Baseline JSON, strictly: what is read was written by someone else. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "gate/baseline.h"
#include "gate/baseline_words.h"
#include "gate/json_read.h"

enum { RUNS_MAX = 1000, CLUSTERS_MAX = 1 << 22, CELLS_MAX = 1 << 16 };

static enum qb_status read_flags(const json_t *object, const struct qb_json_place *at, uint32_t *flags)
{
    struct qb_json_place here = qb_json_inside(at, "flags");
    char text[160], *rest = text, *word;
    if (qb_json_short(object, "flags", at, text, sizeof text))
        return at->err->status;
    while (*text && (word = strsep(&rest, ","))) {
        uint32_t found = 0;
        for (uint32_t bit = 1; bit <= QB_FLAG_ABSENT && !found; bit <<= 1) {
            struct qb_text name = {0};
            qb_flags_print(bit, &name);
            found = name.data && strcmp(name.data, word) == 0 ? bit : 0;
            if (name.failed)
                return qb_fail(at->err, QB_ERR_MEMORY, "%s: no memory to read a metric's flags", at->file);
            qb_text_free(&name);
        }
        if (!found)
            return qb_json_wrong(&here, "no flag '%s'", word);
        *flags |= found;
    }
    return at->err->status;
}

/* ---- metrics ---- */

static enum qb_status read_numbers(const json_t *list, const struct qb_json_place *here, double *out)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct qb_json_place entry = qb_json_item(here, i);
        if (qb_json_finite(json_array_get(list, i), &entry, &out[i]))
            return here->err->status;
    }
    return QB_OK;
}

static enum qb_status read_weights(const json_t *object, const struct qb_json_place *at, struct qb_sample *sample)
{
    struct qb_json_place here = qb_json_inside(at, "weight");
    const json_t *value = json_object_get(object, "weight");
    double one = 0;
    if (json_is_array(value)) {
        if (json_array_size(value) != sample->clusters)
            return qb_json_wrong(&here, "expected a number or %zu, as many as 'sum', found %zu", sample->clusters,
                                 json_array_size(value));
        if (read_numbers(value, &here, sample->weight))
            return here.err->status;
    } else if (qb_json_finite(value, &here, &one)) {
        return here.err->status;
    }
    double total = 0;
    for (size_t i = 0; i < sample->clusters; i++) {
        if (!json_is_array(value))
            sample->weight[i] = one;
        if (!(sample->weight[i] > 0))
            return qb_json_wrong(&here, "expected numbers above 0");
        total += sample->weight[i];
    }
    sample->n = total < 1e18 ? (uint64_t)total : 0;
    return QB_OK;
}

static enum qb_status read_sample(const json_t *object, const struct qb_json_place *at, struct qb_sample *sample)
{
    struct qb_json_place here = qb_json_inside(at, "sum");
    const json_t *list;
    int transform;
    if (!json_object_get(object, "sum") && !json_object_get(object, "weight") && !json_object_get(object, "transform"))
        return QB_OK;
    if (qb_json_word(object, "transform", at, qb_baseline_transforms, &transform) ||
        qb_json_list(object, "sum", &here, CLUSTERS_MAX, &list))
        return at->err->status;
    if (json_array_size(list) == 0)
        return qb_json_wrong(&here, "expected at least one number");
    sample->transform = (enum qb_transform)transform;
    sample->clusters = json_array_size(list);
    sample->sum = qb_alloc(sample->clusters, sizeof *sample->sum, "cluster totals", at->err);
    sample->weight = qb_alloc(sample->clusters, sizeof *sample->weight, "cluster totals", at->err);
    if (!sample->sum || !sample->weight || read_numbers(list, &here, sample->sum))
        return at->err->status;
    return read_weights(object, at, sample);
}

static enum qb_status read_runs(const json_t *object, const struct qb_json_place *at, struct qb_baseline_metric *metric)
{
    struct qb_json_place here = qb_json_inside(at, "runs");
    const json_t *list;
    if (!json_object_get(object, "runs"))
        return QB_OK;
    if (qb_json_list(object, "runs", &here, RUNS_MAX, &list))
        return at->err->status;
    if (json_array_size(list) == 0)
        return qb_json_wrong(&here, "expected at least one run");
    metric->runs = qb_alloc(json_array_size(list), sizeof *metric->runs, "runs of a metric", at->err);
    if (!metric->runs)
        return at->err->status;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *run = json_array_get(list, i);
        struct qb_json_place entry = qb_json_item(&here, i);
        double x[3];
        bool there;
        if (!json_is_array(run) || json_array_size(run) != 3)
            return qb_json_wrong(&entry, "expected [value, lo, hi], found %s", qb_json_type(run));
        for (size_t k = 0; k < 3; k++)
            if (qb_json_measured(json_array_get(run, k), &entry, &x[k], &there))
                return at->err->status;
        metric->runs[metric->run_count++] = (struct qb_baseline_run){x[0], x[1], x[2]};
    }
    return QB_OK;
}

static enum qb_status read_metric(const json_t *object, const struct qb_json_place *at,
                                  struct qb_baseline_metric *metric)
{
    static const char *const keys[] = {"name",      "unit", "better", "value", "flags",
                                       "transform", "sum",  "weight", "runs",  NULL};
    struct qb_json_place value = qb_json_inside(at, "value"), name = qb_json_inside(at, "name");
    int direction;
    bool there;
    if (qb_json_known(object, keys, at) || qb_json_short(object, "name", at, metric->name, sizeof metric->name) ||
        qb_json_short(object, "unit", at, metric->unit, sizeof metric->unit) ||
        qb_json_word(object, "better", at, qb_baseline_directions, &direction) ||
        qb_json_measured(json_object_get(object, "value"), &value, &metric->value, &there) ||
        read_flags(object, at, &metric->flags))
        return at->err->status;
    if (there != qb_value_there(metric->flags))
        return qb_json_wrong(&value, there ? "a value, and the flag absent" : "null, and no flag absent");
    if (!metric->name[0] || strspn(metric->name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(metric->name))
        return qb_json_wrong(&name, "expected [a-z0-9_]+, found '%s'", metric->name);
    metric->direction = (enum qb_direction)direction;
    return read_sample(object, at, &metric->sample) ? at->err->status : read_runs(object, at, metric);
}

/* ---- cells ---- */

static enum qb_status read_codec(const json_t *object, const struct qb_json_place *at, struct qb_baseline_codec *codec)
{
    static const char *const keys[] = {"id", "version", "sha256", NULL};
    return qb_json_known(object, keys, at) || qb_json_text(object, "id", at, &codec->id) ||
                   qb_json_text(object, "version", at, &codec->version) ||
                   qb_json_hash(object, "sha256", at, codec->sha256)
               ? at->err->status
               : QB_OK;
}

static enum qb_status read_tensor(const json_t *object, const struct qb_json_place *at,
                                  struct qb_baseline_tensor *tensor)
{
    static const char *const keys[] = {"name", "sha256", NULL};
    return qb_json_known(object, keys, at) || qb_json_text(object, "name", at, &tensor->name) ||
                   qb_json_hash(object, "sha256", at, tensor->sha256)
               ? at->err->status
               : QB_OK;
}

static enum qb_status read_lists(const json_t *object, const struct qb_json_place *at, struct qb_baseline_cell *cell)
{
    struct qb_json_place codecs = qb_json_inside(at, "codecs"), tensors = qb_json_inside(at, "tensors"),
                         metrics = qb_json_inside(at, "metrics");
    const json_t *c, *t, *m;
    if (qb_json_list(object, "codecs", &codecs, 64, &c) || qb_json_list(object, "tensors", &tensors, 1 << 20, &t) ||
        qb_json_list(object, "metrics", &metrics, 1 << 10, &m))
        return at->err->status;
    cell->codecs = qb_alloc(json_array_size(c), sizeof *cell->codecs, "codecs", at->err);
    cell->tensors = qb_alloc(json_array_size(t), sizeof *cell->tensors, "tensors", at->err);
    cell->metrics = qb_alloc(json_array_size(m), sizeof *cell->metrics, "metrics", at->err);
    if (!cell->codecs || !cell->tensors || !cell->metrics)
        return at->err->status;
    for (size_t i = 0; i < json_array_size(c); i++) {
        struct qb_json_place here = qb_json_item(&codecs, i);
        if (read_codec(json_array_get(c, i), &here, &cell->codecs[cell->codec_count++]))
            return at->err->status;
    }
    for (size_t i = 0; i < json_array_size(t); i++) {
        struct qb_json_place here = qb_json_item(&tensors, i);
        if (read_tensor(json_array_get(t, i), &here, &cell->tensors[cell->tensor_count++]))
            return at->err->status;
    }
    for (size_t i = 0; i < json_array_size(m); i++) {
        struct qb_json_place here = qb_json_item(&metrics, i);
        struct qb_baseline_metric *metric = &cell->metrics[cell->metric_count++];
        if (read_metric(json_array_get(m, i), &here, metric))
            return at->err->status;
        if (qb_baseline_metric_of(cell, metric->name) != metric)
            return qb_json_wrong(&here, "the metric '%s' is there twice", metric->name);
    }
    return QB_OK;
}

static enum qb_status read_cell(const json_t *object, const struct qb_json_place *at, struct qb_baseline_cell *cell)
{
    static const char *const keys[] = {"model",   "variant",      "experiment",       "state",           "message",
                                       "inputs",  "model_sha256", "options",          "definition",      "codecs",
                                       "tensors", "metrics",      "tokenizer_sha256", "encoded_weights", NULL};
    struct qb_json_place weights = qb_json_inside(at, "encoded_weights");
    const json_t *w = json_object_get(object, "encoded_weights");
    int state;
    if (qb_json_known(object, keys, at) || qb_json_name(object, "model", at, &cell->model) ||
        qb_json_name(object, "variant", at, &cell->variant) ||
        qb_json_name(object, "experiment", at, &cell->experiment) ||
        qb_json_word(object, "state", at, qb_baseline_states, &state) ||
        qb_json_text(object, "message", at, &cell->message) || qb_json_hash(object, "inputs", at, cell->inputs) ||
        qb_json_hash(object, "model_sha256", at, cell->model_sha256) ||
        (json_object_get(object, "tokenizer_sha256") &&
         qb_json_hash(object, "tokenizer_sha256", at, cell->tokenizer_sha256)) ||
        qb_json_text(object, "options", at, &cell->options) ||
        qb_json_text(object, "definition", at, &cell->definition))
        return at->err->status;
    if (w && (!json_is_integer(w) || json_integer_value(w) < 1))
        return qb_json_wrong(&weights, "expected how many weights are encoded, a whole number from 1");
    cell->encoded_weights = w ? (uint64_t)json_integer_value(w) : 0;
    cell->state = (enum qb_cell_state)state;
    cell->floor = qb_floor_of_definition(cell->definition);
    return read_lists(object, at, cell);
}

static enum qb_status read_cells(const json_t *root, const struct qb_json_place *at, struct qb_baseline *b)
{
    struct qb_json_place here = qb_json_inside(at, "cells");
    const json_t *list;
    if (qb_json_list(root, "cells", &here, CELLS_MAX, &list))
        return at->err->status;
    if (!(b->cells = qb_alloc(json_array_size(list), sizeof *b->cells, "cells of a baseline", at->err)))
        return at->err->status;
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct qb_json_place one = qb_json_item(&here, i);
        struct qb_baseline_cell *cell = &b->cells[b->count++];
        if (read_cell(json_array_get(list, i), &one, cell))
            return at->err->status;
    }
    qb_baseline_sort(b);
    for (size_t i = 1; i < b->count; i++)
        if (qb_baseline_order(&b->cells[i - 1], &b->cells[i]) == 0)
            return qb_json_wrong(&here, "the cell %s/%s/%s is there twice", b->cells[i].model, b->cells[i].variant,
                                 b->cells[i].experiment);
    return QB_OK;
}

/* ---- the whole ---- */

static enum qb_status read_head(const json_t *root, const struct qb_json_place *at, struct qb_baseline *b)
{
    static const char *const keys[] = {"format", "version", "program", "suite",  "machine", "runs",
                                       "forced", "reason",  "cells",   "digest", NULL};
    static const char *const machine_keys[] = {"cpu", "isa", "threads", "blas_core", NULL};
    struct qb_json_place format = qb_json_inside(at, "format"), version = qb_json_inside(at, "version"),
                         machine = qb_json_inside(at, "machine"), runs = qb_json_inside(at, "runs"),
                         forced = qb_json_inside(at, "forced");
    const json_t *f = json_object_get(root, "format"), *v = json_object_get(root, "version"),
                 *m = json_object_get(root, "machine"), *r = json_object_get(root, "runs"),
                 *force = json_object_get(root, "forced");
    if (!json_is_string(f) || strcmp(json_string_value(f), QB_BASELINE_FORMAT) != 0)
        return qb_json_wrong(&format, "expected \"%s\"", QB_BASELINE_FORMAT);
    if (!json_is_integer(v) || json_integer_value(v) != QB_BASELINE_VERSION)
        return qb_json_wrong(&version, "expected %d, the version that this program reads", QB_BASELINE_VERSION);
    if (qb_json_known(root, keys, at) || qb_json_known(m, machine_keys, &machine) ||
        qb_json_text(m, "cpu", &machine, &b->cpu) || qb_json_text(m, "isa", &machine, &b->isa) ||
        qb_json_text(m, "threads", &machine, &b->threads) || qb_json_text(root, "program", at, &b->program) ||
        qb_json_text(root, "suite", at, &b->suite) || qb_json_text(root, "reason", at, &b->reason))
        return at->err->status;
    if (!json_is_integer(r) || json_integer_value(r) < 1 || json_integer_value(r) > RUNS_MAX)
        return qb_json_wrong(&runs, "expected an integer from 1 to %d", RUNS_MAX);
    if (!json_is_boolean(force))
        return qb_json_wrong(&forced, "expected true or false, found %s", qb_json_type(force));
    if (json_object_get(m, "blas_core") ? qb_json_text(m, "blas_core", &machine, &b->blas_core)
                                        : !(b->blas_core = qb_strdup("", at->err)))
        return at->err->status;
    b->runs = (size_t)json_integer_value(r);
    b->forced = json_is_true(force);
    return QB_OK;
}

/* The digest covers what was read, printed again: blanks may change, content may not. */
static enum qb_status check_digest(const json_t *root, const struct qb_json_place *at, struct qb_baseline *b)
{
    struct qb_text text = {0};
    char mark[QB_HASH_HEX + 32];
    const json_t *digest = json_object_get(root, "digest");
    qb_baseline_print(b, &text);
    if (text.failed) {
        qb_text_free(&text);
        return qb_fail(at->err, QB_ERR_MEMORY, "%s: no memory to check its digest", at->file);
    }
    bool fits = json_is_string(digest) && json_string_length(digest) == QB_HASH_HEX - 1;
    if (fits) {
        snprintf(mark, sizeof mark, "\"digest\": \"%s\"\n}\n", json_string_value(digest));
        size_t n = strlen(mark);
        fits = text.size >= n && strcmp(text.data + text.size - n, mark) == 0;
    }
    b->edited = !fits;
    qb_text_free(&text);
    return QB_OK;
}

enum qb_status qb_baseline_parse(const char *text, size_t size, const char *name, struct qb_baseline **baseline,
                                 struct qb_error *err)
{
    json_error_t cause;
    struct qb_json_place at = {.file = name, .err = err};
    *baseline = NULL;
    if (size > QB_BASELINE_MAX)
        return qb_fail(err, QB_ERR_INPUT, "%s: over %zu bytes", name, QB_BASELINE_MAX);
    json_t *root = qb_json_load(text, size, JSON_REJECT_DUPLICATES, &cause);
    if (!root)
        return qb_fail(err, QB_ERR_INPUT, "%s:%d: no JSON: %s", name, cause.line, cause.text);
    struct qb_baseline *b = qb_alloc(1, sizeof *b, "a baseline", err);
    if (b && (b->path = qb_strdup(name, err)) && !read_head(root, &at, b) && !read_cells(root, &at, b) &&
        !check_digest(root, &at, b))
        *baseline = b;
    else
        qb_baseline_free(b);
    json_decref(root);
    return *baseline ? QB_OK : err->status;
}
