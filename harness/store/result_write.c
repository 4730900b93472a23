/* Assembling a file from cells: in memory, in shards, in older result files. Arrays in files are copied as stored, not
 * unpacked. */
#include <string.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

/* Group `name` below parent, made when it is missing. */
static hid_t enter_group(hid_t parent, const char *name)
{
    return H5Lexists(parent, name, H5P_DEFAULT) > 0 ? H5Gopen2(parent, name, H5P_DEFAULT)
                                                    : qb_hdf5_create_group(parent, name, false);
}

static enum qb_status write_attributes(hid_t group, const struct qb_cell *cell, const char *path, struct qb_error *err)
{
    const char *texts[][2] = {{"state", qb_cell_state_name(cell->state)},
                              {"key", cell->key},
                              {"inputs", cell->inputs},
                              {"options", cell->options},
                              {"message", cell->message},
                              {"warnings", cell->warnings}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (qb_attribute_put_text(group, texts[i][0], texts[i][1], path, err))
            return err->status;
    if (!qb_attribute_put(group, "seconds", H5T_NATIVE_DOUBLE, &cell->seconds, path, err) &&
        !qb_attribute_put(group, "cpu_seconds", H5T_NATIVE_DOUBLE, &cell->cpu_seconds, path, err) &&
        !qb_attribute_put(group, "prepare_seconds", H5T_NATIVE_DOUBLE, &cell->prepare_seconds, path, err))
        qb_attribute_put(group, "peak_rss", H5T_NATIVE_UINT64, &cell->peak_rss, path, err);
    return err->status;
}

static enum qb_status write_cell(hid_t parent, const struct qb_cell *cell, const char *path, struct qb_error *err)
{
    hid_t group = qb_hdf5_create_group(parent, cell->experiment, false);
    if (group < 0)
        return qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "cell %s/%s/%s was not written", cell->model, cell->variant,
                            cell->experiment);
    if (!write_attributes(group, cell, path, err) && !qb_variant_facts_write(group, cell, path, err) &&
        !qb_cell_facts_write(group, &cell->facts, path, err))
        qb_record_write(group, &cell->record, path, err);
    qb_hdf5_close(group);
    return err->status;
}

static enum qb_status copy_cell(hid_t parent, const struct qb_result *from, size_t index, const char *path,
                                struct qb_error *err)
{
    const struct qb_cell *cell = &from->cells[index];
    hid_t source = qb_cell_group(from, index, err);
    if (source < 0)
        return err->status;
    if (H5Ocopy(source, ".", parent, cell->experiment, H5P_DEFAULT, H5P_DEFAULT) < 0)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "cell %s/%s/%s was not copied from %s", cell->model, cell->variant,
                     cell->experiment, from->path);
    qb_hdf5_close(source);
    return err->status;
}

static enum qb_status check_names(const struct qb_cell *cell, const char *path, struct qb_error *err)
{
    const char *names[][2] = {{"model", cell->model}, {"variant", cell->variant}, {"experiment", cell->experiment}};
    for (size_t i = 0; i < 3; i++)
        if (!qb_name_ok(names[i][1]))
            return qb_fail(err, QB_ERR_INPUT,
                           "%s: %s '%s' cannot be a name in a result file, expected 1 to 100 letters, digits, '.', '_' "
                           "or '-'",
                           path, names[i][0], names[i][1] ? names[i][1] : "");
    return QB_OK;
}

/* Puts one cell below `cells`; `from` is NULL for a cell in memory. */
static enum qb_status place_cell(hid_t cells, const struct qb_cell *cell, const struct qb_result *from,
                                 size_t from_index, uint64_t index, const char *path, struct qb_error *err)
{
    if (check_names(cell, path, err))
        return err->status;
    hid_t model = enter_group(cells, cell->model), variant = model < 0 ? -1 : enter_group(model, cell->variant);
    hid_t group = -1;
    if (variant < 0)
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "the group %s/%s was not written", cell->model, cell->variant);
    else if (H5Lexists(variant, cell->experiment, H5P_DEFAULT) > 0)
        qb_fail(err, QB_ERR_INTERNAL, "%s: cell %s/%s/%s comes twice", path, cell->model, cell->variant,
                cell->experiment);
    else if (from)
        copy_cell(variant, from, from_index, path, err);
    else
        write_cell(variant, cell, path, err);
    if (!err->status) {
        group = H5Gopen2(variant, cell->experiment, H5P_DEFAULT);
        if (!qb_attribute_put(group, "index", H5T_NATIVE_UINT64, &index, path, err) && from && cell->facts.count == 0)
            qb_cell_facts_write(group, &from->provenance, path, err);
    }
    qb_hdf5_close(group);
    qb_hdf5_close(variant);
    qb_hdf5_close(model);
    return err->status;
}

/* The cells with summary rows of their own, which the floors may flag: a floor is another cell of the same file, so no
 * cell can know its flags before all are here. *copies: a new list, its values new too. */
static enum qb_status apply_floors(const struct qb_cell **cells, size_t count, struct qb_cell **copies,
                                   struct qb_error *err)
{
    struct qb_floor_cell *rows = qb_alloc(count, sizeof *rows, "a result's floors", err);
    *copies = rows ? qb_alloc(count, sizeof **copies, "a result's cells", err) : NULL;
    for (size_t i = 0; *copies && i < count; i++) {
        struct qb_cell *copy = &(*copies)[i];
        *copy = *cells[i];
        copy->values = qb_alloc(copy->value_count, sizeof *copy->values, "summary rows", err);
        if (!copy->values)
            break;
        if (copy->value_count > 0)
            memcpy(copy->values, cells[i]->values, copy->value_count * sizeof *copy->values);
        cells[i] = copy;
        rows[i] = (struct qb_floor_cell){copy->model, copy->variant, copy->experiment,
                                         copy->floor, copy->values,  copy->value_count};
    }
    if (!err->status)
        qb_floors_apply(rows, count);
    qb_free(rows);
    return err->status;
}

/* Resolves each source to a cell and, where it lies in a file, the file. Shards opened here go to opened[i]. */
static enum qb_status place_all(hid_t file, const struct qb_cell_source *sources, size_t count,
                                const struct qb_cell **cells, struct qb_result **opened, const char *path,
                                struct qb_error *err)
{
    hid_t group = qb_hdf5_create_group(file, "cells", false);
    if (group < 0)
        return qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "/cells was not written");
    for (size_t i = 0; i < count && !err->status; i++) {
        const struct qb_result *from = sources[i].shard ? NULL : sources[i].old;
        size_t index = sources[i].shard ? 0 : sources[i].old_index;
        if (sources[i].shard) {
            if (qb_store_open(sources[i].shard, QB_FORMAT_SHARD, &opened[i], err))
                break;
            from = opened[i];
        }
        if (from && index >= from->count)
            qb_fail(err, QB_ERR_INTERNAL, "%s: has no cell %zu", from->path, index);
        else if (!from && !sources[i].cell)
            qb_fail(err, QB_ERR_INTERNAL, "%s: source %zu names no cell", path, i);
        if (err->status)
            break;
        cells[i] = from ? &from->cells[index] : sources[i].cell;
        place_cell(group, cells[i], from, index, i, path, err);
        if (opened[i]) { /* its values are still needed, its file is not */
            H5Fclose(opened[i]->file);
            opened[i]->file = -1;
        }
    }
    qb_hdf5_close(group);
    return err->status;
}

static enum qb_status write_root(hid_t file, const char *format, const char *path, struct qb_error *err)
{
    int32_t version = QB_FORMAT_VERSION;
    if (!qb_attribute_put_text(file, "format", format, path, err) &&
        !qb_attribute_put(file, "format_version", H5T_NATIVE_INT32, &version, path, err))
        qb_attribute_put_text(file, "program_version", QB_VERSION, path, err);
    return err->status;
}

enum qb_status qb_store_write(const char *path, const char *format, const struct qb_provenance *provenance,
                              const struct qb_cell_source *sources, size_t count, struct qb_error *err)
{
    static const struct qb_provenance none;
    const struct qb_cell **cells = qb_alloc(count, sizeof *cells, "a result's cells", err);
    struct qb_result **opened = qb_alloc(count, sizeof *opened, "a result's shards", err);
    struct qb_cell *copies = NULL;
    hid_t file = cells && opened ? qb_image_create(path, err) : -1;
    if (file >= 0) {
        if (!write_root(file, format, path, err) &&
            !qb_provenance_write(file, provenance ? provenance : &none, path, err) &&
            !place_all(file, sources, count, cells, opened, path, err) &&
            (strcmp(format, QB_FORMAT_RESULT) != 0 || !apply_floors(cells, count, &copies, err)) &&
            !qb_summary_write(file, cells, count, path, err))
            qb_image_commit(file, path, err);
        else
            H5Fclose(file);
    }
    for (size_t i = 0; copies && i < count; i++)
        qb_free(copies[i].values);
    for (size_t i = 0; opened && i < count; i++)
        qb_result_close(opened[i]);
    qb_free(copies);
    qb_free(opened);
    qb_free(cells);
    return err->status;
}

enum qb_status qb_result_assemble(const char *path, const struct qb_provenance *provenance,
                                  const struct qb_cell_source *sources, size_t count, struct qb_error *err)
{
    return qb_store_write(path, QB_FORMAT_RESULT, provenance, sources, count, err);
}
