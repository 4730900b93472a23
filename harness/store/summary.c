/* /summary: one compound row a metric value, strings of fixed length, so that h5py shows a structured array. */
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "store/hdf5_parts.h"

struct row {
    char model[QB_STORE_NAME_MAX + 4], variant[QB_STORE_NAME_MAX + 4], experiment[QB_STORE_NAME_MAX + 4];
    char metric[40], unit[16], flags[96], note[QB_NOTE_MAX];
    double value, lo, hi;
    uint64_t n;
};

static const struct {
    const char *name;
    size_t offset, size; /* size 0: a double; 1: n */
} columns[] = {
    {"model", offsetof(struct row, model), sizeof((struct row *)0)->model},
    {"variant", offsetof(struct row, variant), sizeof((struct row *)0)->variant},
    {"experiment", offsetof(struct row, experiment), sizeof((struct row *)0)->experiment},
    {"metric", offsetof(struct row, metric), sizeof((struct row *)0)->metric},
    {"value", offsetof(struct row, value), 0},
    {"lo", offsetof(struct row, lo), 0},
    {"hi", offsetof(struct row, hi), 0},
    {"n", offsetof(struct row, n), 1},
    {"unit", offsetof(struct row, unit), sizeof((struct row *)0)->unit},
    {"flags", offsetof(struct row, flags), sizeof((struct row *)0)->flags},
    {"note", offsetof(struct row, note), sizeof((struct row *)0)->note},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* The type of a row in memory; negative on failure. */
static hid_t row_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct row));
    bool fine = type >= 0;
    for (size_t i = 0; i < COLUMNS && fine; i++) {
        size_t size = columns[i].size;
        hid_t member = size > 1    ? qb_hdf5_string_type(size, true)
                       : size == 1 ? H5Tcopy(H5T_NATIVE_UINT64)
                                   : H5Tcopy(H5T_NATIVE_DOUBLE);
        fine = member >= 0 && H5Tinsert(type, columns[i].name, columns[i].offset, member) >= 0;
        qb_hdf5_close(member);
    }
    if (fine)
        return type;
    qb_hdf5_close(type);
    return -1;
}

static void fill_row(struct row *row, const struct qb_cell *cell, const struct qb_value *value)
{
    struct qb_text flags = {0};
    qb_flags_print(value->flags, &flags);
    *row = (struct row){.value = value->value, .lo = value->lo, .hi = value->hi, .n = value->n};
    qb_clean_into(row->model, sizeof row->model, cell->model, strlen(cell->model));
    qb_clean_into(row->variant, sizeof row->variant, cell->variant, strlen(cell->variant));
    qb_clean_into(row->experiment, sizeof row->experiment, cell->experiment, strlen(cell->experiment));
    qb_clean_into(row->metric, sizeof row->metric, value->metric, strlen(value->metric));
    qb_clean_into(row->unit, sizeof row->unit, value->unit, strlen(value->unit));
    qb_clean_into(row->note, sizeof row->note, value->note, strlen(value->note));
    if (flags.data)
        qb_clean_into(row->flags, sizeof row->flags, flags.data, flags.size);
    qb_text_free(&flags);
}

/* Packed rows under 1 KiB would gain nothing; larger tables are mostly padding, which deflate removes. */
static hid_t table_layout(hsize_t rows)
{
    hid_t layout = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk = rows < 1024 ? rows : 1024;
    H5Pset_obj_track_times(layout, false);
    if (rows > 0) {
        H5Pset_chunk(layout, 1, &chunk);
        H5Pset_deflate(layout, 4);
    }
    return layout;
}

enum qb_status qb_summary_write(hid_t file, const struct qb_cell *const *cells, size_t count, const char *path,
                                struct qb_error *err)
{
    hsize_t total = 0, at = 0;
    for (size_t i = 0; i < count; i++)
        total += cells[i]->value_count;
    struct row *rows = qb_alloc(total, sizeof *rows, "the summary table", err);
    if (!rows)
        return err->status;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < cells[i]->value_count; j++)
            fill_row(&rows[at++], cells[i], &cells[i]->values[j]);
    hid_t type = row_type(), stored = H5Tcopy(type), space = H5Screate_simple(1, &total, NULL);
    hid_t layout = table_layout(total);
    H5Tpack(stored);
    hid_t table = H5Dcreate2(file, "summary", stored, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    if (table < 0 || (total > 0 && H5Dwrite(table, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0))
        qb_hdf5_fail(err, QB_ERR_INTERNAL, path, "the summary table was not written");
    qb_hdf5_close(table);
    qb_hdf5_close(layout);
    qb_hdf5_close(space);
    qb_hdf5_close(stored);
    qb_hdf5_close(type);
    qb_free(rows);
    return err->status;
}

/* The flags of a list of their words; unknown words (a later version's) are left out. */
static uint32_t parse_flags(const char *words)
{
    uint32_t flags = 0;
    for (uint32_t bit = 0; bit < 32; bit++) {
        struct qb_text word = {0};
        qb_flags_print(1u << bit, &word);
        const char *at = word.size > 0 ? strstr(words, word.data) : NULL;
        if (at && (at[word.size] == '\0' || at[word.size] == ',') && (at == words || at[-1] == ','))
            flags |= 1u << bit;
        qb_text_free(&word);
    }
    return flags;
}

static struct qb_cell *cell_of_row(const struct row *row, struct qb_cell *cells, size_t count, size_t *guess)
{
    for (size_t step = 0; step < count; step++) { /* rows stand in the order of cells: the guess nearly always fits */
        size_t i = (*guess + step) % count;
        if (strcmp(cells[i].model, row->model) == 0 && strcmp(cells[i].variant, row->variant) == 0 &&
            strcmp(cells[i].experiment, row->experiment) == 0) {
            *guess = i;
            return &cells[i];
        }
    }
    return NULL;
}

/* A column that another program filled to its last byte has no end: HDF5 adds one only where it converts. */
static void end_texts(struct row *row)
{
    for (size_t i = 0; i < COLUMNS; i++)
        if (columns[i].size > 1)
            ((char *)row)[columns[i].offset + columns[i].size - 1] = '\0';
}

static enum qb_status hand_out(const struct row *rows, size_t total, const char *path, struct qb_cell *cells,
                               size_t count, struct qb_error *err)
{
    size_t guess = 0;
    for (size_t i = 0; i < total; i++) {
        struct qb_cell *cell = cell_of_row(&rows[i], cells, count, &guess);
        if (!cell)
            return qb_fail(err, QB_ERR_INPUT, "%s: summary row %zu names no cell of the file (%s/%s/%s)", path, i,
                           rows[i].model, rows[i].variant, rows[i].experiment);
        cell->value_count++;
    }
    for (size_t i = 0; i < count; i++) {
        cells[i].values = qb_alloc(cells[i].value_count, sizeof *cells[i].values, "metric values", err);
        if (!cells[i].values)
            return err->status;
        cells[i].value_count = 0;
    }
    for (size_t i = 0; i < total; i++) {
        struct qb_cell *cell = cell_of_row(&rows[i], cells, count, &guess);
        struct qb_value *value = &cell->values[cell->value_count++];
        *value = (struct qb_value){.value = rows[i].value, .lo = rows[i].lo, .hi = rows[i].hi, .n = rows[i].n};
        qb_clean_into(value->metric, sizeof value->metric, rows[i].metric, sizeof rows[i].metric);
        qb_clean_into(value->unit, sizeof value->unit, rows[i].unit, sizeof rows[i].unit);
        qb_clean_into(value->note, sizeof value->note, rows[i].note, sizeof rows[i].note);
        value->flags = parse_flags(rows[i].flags);
    }
    return QB_OK;
}

enum qb_status qb_summary_read(hid_t file, const char *path, size_t file_bytes, struct qb_cell *cells, size_t count,
                               struct qb_error *err)
{
    int rank = 0;
    hsize_t dims[QB_RANK_MAX] = {0};
    struct row *rows = NULL;
    hid_t type = -1, stored = -1, table = qb_hdf5_open(file, "summary", H5I_DATASET, path, err);
    if (table < 0 || qb_dataset_check(table, "summary", path, file_bytes, &rank, dims, err) != QB_OK)
        goto out;
    type = row_type();
    stored = H5Dget_type(table);
    bool fits = rank == 1 && H5Tget_class(stored) == H5T_COMPOUND;
    for (size_t i = 0; i < COLUMNS; i++) /* a missing column would stay unread */
        fits = fits && H5Tget_member_index(stored, columns[i].name) >= 0;
    if (!fits) {
        qb_fail(err, QB_ERR_INPUT, "%s: /summary lacks columns, expected model, variant, ... (docs/result-file.md)",
                path);
        goto out;
    }
    rows = qb_alloc(dims[0], sizeof *rows, "the summary table", err);
    if (rows && dims[0] > 0 && H5Dread(table, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "the summary table cannot be read");
    for (hsize_t i = 0; err->status == QB_OK && i < dims[0]; i++)
        end_texts(&rows[i]);
    if (err->status == QB_OK)
        hand_out(rows, dims[0], path, cells, count, err);
out:
    qb_free(rows);
    qb_hdf5_close(stored);
    qb_hdf5_close(type);
    qb_hdf5_close(table);
    return err->status;
}
