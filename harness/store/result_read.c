/* Reading a file of the store: all cells without arrays at once, arrays when asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "store/hdf5_parts.h"

static const char *const state_names[] = {"done", "failed", "skipped"};

const char *qb_cell_state_name(enum qb_cell_state state)
{
    return state_names[state];
}

void qb_cell_free(struct qb_cell *cell)
{
    qb_free(cell->model);
    qb_free(cell->variant);
    qb_free(cell->experiment);
    qb_free(cell->options);
    qb_free(cell->message);
    qb_free(cell->warnings);
    qb_reach_free(&cell->reach);
    qb_record_free(&cell->record);
    qb_free(cell->values);
    qb_provenance_free(&cell->facts);
    *cell = (struct qb_cell){0};
}

struct indexed { /* a cell beside its place in the run */
    uint64_t index;
    struct qb_cell cell;
};

struct reading {
    const char *path;
    const struct qb_provenance *facts;
    struct indexed *cells;
    size_t count;
};

static struct indexed *next_cell(struct reading *r, struct qb_error *err)
{
    struct indexed *cells = qb_grow(r->cells, r->count + 1, sizeof *cells, "a result's cells", err);
    if (!cells)
        return NULL;
    r->cells = cells;
    return &r->cells[r->count++];
}

/* A text attribute that files of older programs lack; then "". */
static enum qb_status read_newer_text(hid_t group, const char *name, const char *path, char **text,
                                      struct qb_error *err)
{
    if (H5Aexists(group, name) > 0)
        return qb_attribute_text(group, name, path, QB_CLEAN_LINE, text, err);
    *text = qb_strdup("", err);
    return err->status;
}

static enum qb_status copy_hash(char to[QB_HASH_HEX], const char *text, const char *what, const char *path,
                                struct qb_error *err)
{
    if (strlen(text) >= QB_HASH_HEX)
        return qb_fail(err, QB_ERR_INPUT, "%s: a cell's %s has over %d characters", path, what, QB_HASH_HEX - 1);
    memcpy(to, text, strlen(text) + 1);
    return QB_OK;
}

static enum qb_status read_state(hid_t group, struct qb_cell *cell, const char *path, struct qb_error *err)
{
    char *state = NULL, *key = NULL, *inputs = NULL;
    if (qb_attribute_text(group, "state", path, QB_CLEAN_LINE, &state, err) ||
        qb_attribute_text(group, "key", path, QB_CLEAN_LINE, &key, err) ||
        read_newer_text(group, "inputs", path, &inputs, err) || copy_hash(cell->key, key, "key", path, err) ||
        copy_hash(cell->inputs, inputs, "inputs", path, err))
        goto out;
    size_t i = 0;
    while (i < 3 && strcmp(state, state_names[i]) != 0)
        i++;
    if (i == 3)
        qb_fail(err, QB_ERR_INPUT, "%s: a cell's state is '%.*s', expected done, failed or skipped", path,
                QB_UPTO(20, state));
    else
        cell->state = (enum qb_cell_state)i;
out:
    qb_free(state);
    qb_free(key);
    qb_free(inputs);
    return err->status;
}

static enum qb_status read_cell(hid_t variants, const char *model, const char *variant, const char *experiment,
                                struct reading *r, struct qb_error *err)
{
    struct indexed *entry = next_cell(r, err);
    hid_t group = entry ? qb_hdf5_open(variants, experiment, H5I_GROUP, r->path, err) : -1;
    if (group < 0)
        return err->status;
    struct qb_cell *cell = &entry->cell;
    cell->model = qb_strdup(model, err);
    cell->variant = cell->model ? qb_strdup(variant, err) : NULL;
    cell->experiment = cell->variant ? qb_strdup(experiment, err) : NULL;
    if (cell->experiment && !read_state(group, cell, r->path, err) &&
        !qb_variant_facts_read(group, r->facts, r->path, cell, err) &&
        !read_newer_text(group, "options", r->path, &cell->options, err) &&
        !qb_attribute_text(group, "message", r->path, QB_CLEAN_LINE, &cell->message, err) &&
        !qb_attribute_text(group, "warnings", r->path, QB_CLEAN_LINES, &cell->warnings, err) &&
        !qb_attribute_number(group, "seconds", H5T_NATIVE_DOUBLE, r->path, &cell->seconds, err) &&
        !qb_attribute_number(group, "cpu_seconds", H5T_NATIVE_DOUBLE, r->path, &cell->cpu_seconds, err) &&
        !qb_attribute_number(group, "peak_rss", H5T_NATIVE_UINT64, r->path, &cell->peak_rss, err))
        qb_attribute_number(group, "index", H5T_NATIVE_UINT64, r->path, &entry->index, err);
    if (!err->status && H5Aexists(group, "prepare_seconds") > 0)
        qb_attribute_number(group, "prepare_seconds", H5T_NATIVE_DOUBLE, r->path, &cell->prepare_seconds, err);
    if (!err->status)
        qb_cell_facts_read(group, r->path, &cell->facts, err);
    qb_hdf5_close(group);
    return err->status;
}

/* Walks /cells/<model>/<variant>/<experiment>; `above` holds the names so far. */
static enum qb_status walk(hid_t group, const char *above[2], int depth, struct reading *r, struct qb_error *err)
{
    char **names;
    size_t count;
    if (qb_group_names(group, r->path, &names, &count, err))
        return err->status;
    for (size_t i = 0; i < count && !err->status; i++) {
        if (!qb_name_ok(names[i])) {
            qb_fail(err, QB_ERR_INPUT, "%s: '%s' cannot be the name of a model, variant or experiment", r->path,
                    names[i]);
        } else if (depth == 2) {
            read_cell(group, above[0], above[1], names[i], r, err);
        } else {
            hid_t below = qb_hdf5_open(group, names[i], H5I_GROUP, r->path, err);
            above[depth] = names[i];
            if (below >= 0)
                walk(below, above, depth + 1, r, err);
            qb_hdf5_close(below);
        }
    }
    qb_names_free(names, count);
    return err->status;
}

static int by_index(const void *a, const void *b)
{
    uint64_t x = ((const struct indexed *)a)->index, y = ((const struct indexed *)b)->index;
    return (x > y) - (x < y);
}

static enum qb_status read_cells(struct qb_result *result, struct qb_error *err)
{
    struct reading r = {.path = result->path, .facts = &result->provenance};
    const char *above[2] = {"", ""};
    hid_t group = qb_hdf5_open(result->file, "cells", H5I_GROUP, result->path, err);
    if (group >= 0)
        walk(group, above, 0, &r, err);
    qb_hdf5_close(group);
    if (r.count > 1)
        qsort(r.cells, r.count, sizeof *r.cells, by_index);
    result->cells = !err->status ? qb_alloc(r.count, sizeof *result->cells, "a result's cells", err) : NULL;
    result->count = result->cells ? r.count : 0;
    for (size_t i = 0; i < r.count; i++) {
        if (result->cells)
            result->cells[i] = r.cells[i].cell;
        else
            qb_cell_free(&r.cells[i].cell);
    }
    qb_free(r.cells);
    return err->status;
}

static enum qb_status check_root(const struct qb_result *result, const char *format, struct qb_error *err)
{
    char *found = NULL;
    int32_t version = 0;
    if (!qb_attribute_text(result->file, "format", result->path, QB_CLEAN_LINE, &found, err) &&
        strcmp(found, format) != 0)
        qb_fail(err, QB_ERR_INPUT, "%s: its format is '%.*s', expected '%s'", result->path, QB_UPTO(40, found), format);
    if (!err->status &&
        !qb_attribute_number(result->file, "format_version", H5T_NATIVE_INT32, result->path, &version, err) &&
        version != QB_FORMAT_VERSION)
        qb_fail(err, QB_ERR_INPUT, "%s: format version %d, this program reads version %d", result->path, (int)version,
                QB_FORMAT_VERSION);
    qb_free(found);
    return err->status;
}

enum qb_status qb_store_open(const char *path, const char *format, struct qb_result **result, struct qb_error *err)
{
    *result = NULL;
    struct qb_result *r = qb_alloc(1, sizeof *r, "a result", err);
    if (!r)
        return err->status;
    r->file = -1;
    r->path = qb_strdup(path, err);
    r->file = r->path ? qb_image_open(path, &r->bytes, err) : -1;
    if (r->file >= 0 && !check_root(r, format, err) &&
        !qb_provenance_read(r->file, r->path, r->bytes, &r->provenance, err) && !read_cells(r, err))
        qb_summary_read(r->file, r->path, r->bytes, r->cells, r->count, err);
    if (err->status) {
        qb_result_close(r);
        return err->status;
    }
    *result = r;
    return QB_OK;
}

/* What a command may read of a result file: all cells, and the arrays of each. */
static enum qb_status read_all(const char *path, size_t bytes, struct qb_error *err)
{
    struct qb_result *result = NULL;
    size_t total = 0;
    if (qb_store_open(path, QB_FORMAT_RESULT, &result, err))
        return err->status;
    for (size_t i = 0; i < result->count && !err->status; i++) {
        struct qb_record record = {0};
        qb_result_record(result, i, &record, err);
        total += qb_record_bytes(&record);
        qb_record_free(&record);
        if (!err->status)
            qb_claim_check(total, path, bytes, err);
    }
    qb_result_close(result);
    return err->status;
}

enum qb_status qb_result_open(const char *path, struct qb_result **result, struct qb_error *err)
{
    *result = NULL;
    return qb_trial_read(read_all, path, err) ? err->status : qb_store_open(path, QB_FORMAT_RESULT, result, err);
}

void qb_result_close(struct qb_result *result)
{
    if (!result)
        return;
    if (result->file >= 0)
        H5Fclose(result->file);
    for (size_t i = 0; i < result->count; i++)
        qb_cell_free(&result->cells[i]);
    qb_free(result->cells);
    qb_provenance_free(&result->provenance);
    qb_free(result->path);
    qb_free(result);
}

bool qb_result_interrupted(const struct qb_result *result)
{
    const char *said = qb_provenance_get(&result->provenance, "interrupted");
    return said && strncmp(said, "yes", 3) == 0;
}

const char *qb_result_path(const struct qb_result *result)
{
    return result->path;
}

size_t qb_result_count(const struct qb_result *result)
{
    return result->count;
}

const struct qb_cell *qb_result_cell(const struct qb_result *result, size_t index)
{
    return index < result->count ? &result->cells[index] : NULL;
}

size_t qb_result_find(const struct qb_result *result, const char *model, const char *variant, const char *experiment)
{
    for (size_t i = 0; i < result->count; i++)
        if (strcmp(result->cells[i].model, model) == 0 && strcmp(result->cells[i].variant, variant) == 0 &&
            strcmp(result->cells[i].experiment, experiment) == 0)
            return i;
    return SIZE_MAX;
}

const struct qb_value *qb_result_value(const struct qb_result *result, const char *model, const char *variant,
                                       const char *experiment, const char *metric)
{
    size_t index = qb_result_find(result, model, variant, experiment);
    for (size_t i = 0; index != SIZE_MAX && i < result->cells[index].value_count; i++)
        if (strcmp(result->cells[index].values[i].metric, metric) == 0)
            return &result->cells[index].values[i];
    return NULL;
}

const char *qb_result_fact(const struct qb_result *result, size_t index, const char *name)
{
    const struct qb_provenance *own = &result->cells[index].facts;
    return qb_provenance_get(own->count > 0 ? own : &result->provenance, name);
}

hid_t qb_cell_group(const struct qb_result *result, size_t index, struct qb_error *err)
{
    const struct qb_cell *cell = &result->cells[index];
    char place[3 * (QB_STORE_NAME_MAX + 1) + 8];
    snprintf(place, sizeof place, "cells/%s/%s/%s", cell->model, cell->variant, cell->experiment);
    return qb_hdf5_open(result->file, place, H5I_GROUP, result->path, err);
}

enum qb_status qb_result_record(const struct qb_result *result, size_t index, struct qb_record *record,
                                struct qb_error *err)
{
    if (index >= result->count)
        return qb_fail(err, QB_ERR_INTERNAL, "%s: has no cell %zu", result->path, index);
    hid_t group = qb_cell_group(result, index, err);
    if (group >= 0)
        qb_record_read(group, result->path, result->bytes, record, err);
    qb_hdf5_close(group);
    return err->status;
}

const struct qb_provenance *qb_result_provenance(const struct qb_result *result)
{
    return &result->provenance;
}
