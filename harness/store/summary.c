/* /summary: one compound row a metric value, strings of fixed length, so that h5py shows a structured array. */
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "store/hdf5_parts.h"

struct row {
    char model[QB_STORE_NAME_MAX + 4], variant[QB_STORE_NAME_MAX + 4], experiment[QB_STORE_NAME_MAX + 4];
    char metric[40], unit[16], flags[96], note[QB_NOTE_MAX];
    double value, lo, hi, covers;
    uint64_t n, floor_marks, own_note;
};

enum kind { TEXT, NUMBER, COUNT };
#define TEXT_COLUMN(name)                                                                                              \
    {                                                                                                                  \
#name, TEXT, offsetof(struct row, name), sizeof((struct row *)0)->name, false                                  \
    }
static const struct {
    const char *name;
    enum kind kind;
    size_t offset, size;
    bool newer; /* files of older programs lack it */
} columns[] = {
    TEXT_COLUMN(model),
    TEXT_COLUMN(variant),
    TEXT_COLUMN(experiment),
    TEXT_COLUMN(metric),
    {"value", NUMBER, offsetof(struct row, value), 0, false},
    {"lo", NUMBER, offsetof(struct row, lo), 0, false},
    {"hi", NUMBER, offsetof(struct row, hi), 0, false},
    {"n", COUNT, offsetof(struct row, n), 0, false},
    TEXT_COLUMN(unit),
    TEXT_COLUMN(flags),
    TEXT_COLUMN(note),
    {"covers", NUMBER, offsetof(struct row, covers), 0, true},
    {"floor_marks", COUNT, offsetof(struct row, floor_marks), 0, true},
    {"own_note", COUNT, offsetof(struct row, own_note), 0, true},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

/* The type of a row in memory; negative on failure. */
static hid_t row_type(void)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(struct row));
    bool fine = type >= 0;
    for (size_t i = 0; i < COLUMNS && fine; i++) {
        hid_t member = columns[i].kind == TEXT
                           ? qb_hdf5_string_type(columns[i].size, true)
                           : H5Tcopy(columns[i].kind == COUNT ? H5T_NATIVE_UINT64 : H5T_NATIVE_DOUBLE);
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
    *row = (struct row){.value = value->value,
                        .lo = value->lo,
                        .hi = value->hi,
                        .covers = value->covers,
                        .n = value->n,
                        .floor_marks = value->floor_marks,
                        .own_note = value->own_note};
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
        if (columns[i].kind == TEXT)
            ((char *)row)[columns[i].offset + columns[i].size - 1] = '\0';
}

static void take_row(const struct row *row, struct qb_value *value)
{
    *value = (struct qb_value){.value = row->value, .lo = row->lo, .hi = row->hi, .n = row->n};
    qb_clean_into(value->metric, sizeof value->metric, row->metric, sizeof row->metric);
    qb_clean_into(value->unit, sizeof value->unit, row->unit, sizeof row->unit);
    qb_clean_into(value->note, sizeof value->note, row->note, sizeof row->note);
    value->flags = parse_flags(row->flags);
    value->covers = row->covers > 0 && row->covers < 100 ? row->covers : 0;
    value->floor_marks = (uint32_t)row->floor_marks;
    if (row->own_note > strlen(value->note)) /* no program wrote this */
        value->floor_marks = QB_MARK_OLDER;
    else
        value->own_note = (uint32_t)row->own_note;
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
        take_row(&rows[i], &cell->values[cell->value_count++]);
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
    if (table < 0 || qb_dataset_check(table, "summary", path, file_bytes, &rank, dims, err))
        goto out;
    type = row_type();
    stored = H5Dget_type(table);
    bool fits = rank == 1 && H5Tget_class(stored) == H5T_COMPOUND, older = false;
    for (size_t i = 0; i < COLUMNS && fits; i++) { /* a missing column stays unread */
        bool there = H5Tget_member_index(stored, columns[i].name) >= 0;
        older = older || !there;
        fits = there || columns[i].newer;
    }
    if (!fits) {
        qb_fail(err, QB_ERR_INPUT, "%s: /summary lacks columns, expected model, variant, ... (docs/result-file.md)",
                path);
        goto out;
    }
    rows = qb_alloc(dims[0], sizeof *rows, "the summary table", err);
    if (rows && dims[0] > 0 && H5Dread(table, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0)
        qb_hdf5_fail(err, QB_ERR_INPUT, path, "the summary table cannot be read");
    for (hsize_t i = 0; !err->status && i < dims[0]; i++) {
        end_texts(&rows[i]);
        if (older)
            rows[i].floor_marks = QB_MARK_OLDER;
    }
    if (!err->status)
        hand_out(rows, dims[0], path, cells, count, err);
out:
    qb_free(rows);
    qb_hdf5_close(stored);
    qb_hdf5_close(type);
    qb_hdf5_close(table);
    return err->status;
}
