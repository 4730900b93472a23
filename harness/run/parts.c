#include "run/parts.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/shards.h"
#include "store/store.h"

static void path_of(const struct qb_parts *parts, size_t first, char out[QB_SHARD_PATH])
{
    qb_part_path(parts->folder, parts->cell->key, first, out);
}

/* The first of what went wrong is what the run tells. */
static void tell(struct qb_parts *parts, const struct qb_error *cause)
{
    struct qb_parts_seen *seen = parts->seen;
    if (seen && !seen->refused && !seen->failed)
        snprintf(seen->why, sizeof seen->why, "%s", cause->message);
}

static void refuse(struct qb_parts *parts, size_t first, const struct qb_error *cause)
{
    char path[QB_SHARD_PATH];
    path_of(parts, first, path);
    unlink(path);
    tell(parts, cause);
    if (parts->seen)
        parts->seen->refused++;
}

/* ---- what there is ---- */

static enum qb_status note_found(struct qb_parts *parts, size_t first, struct qb_error *err)
{
    size_t *grown = qb_grow(parts->found, parts->count + 1, sizeof *grown, "parts of a cell", err);
    if (!grown)
        return err->status;
    parts->found = grown;
    parts->found[parts->count++] = first;
    return QB_OK;
}

enum qb_status qb_parts_open(struct qb_parts *parts, const char *folder, const struct qb_cell *cell, double unsaved,
                             struct qb_parts_seen *seen, struct qb_error *err)
{
    DIR *dir = opendir(folder);
    *parts = (struct qb_parts){.folder = folder, .cell = cell, .unsaved = unsaved, .seen = seen};
    for (struct dirent *entry; dir && !err->status && (entry = readdir(dir));) {
        char path[QB_SHARD_PATH];
        struct qb_error cause = {0};
        size_t first;
        if (!qb_part_name(entry->d_name, &first) || strncmp(entry->d_name, cell->key, QB_HASH_HEX - 1) != 0)
            continue;
        path_of(parts, first, path);
        if (qb_part_try(path, &cause))
            refuse(parts, first, &cause);
        else
            note_found(parts, first, err);
    }
    if (dir)
        closedir(dir);
    return err->status;
}

void qb_parts_remove(const struct qb_parts *parts)
{
    DIR *dir = opendir(parts->folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (qb_part_name(entry->d_name, NULL) && strncmp(entry->d_name, parts->cell->key, QB_HASH_HEX - 1) == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

void qb_parts_close(struct qb_parts *parts)
{
    qb_free(parts->found);
    parts->found = NULL;
    parts->count = 0;
}

/* ---- a part's record: rows of the arrays, the scalars, and of which rows it is ---- */

static bool in_rows(const struct qb_array *array, size_t rows)
{
    return array->rank > 0 && array->dims[0] == rows && array->dtype != QB_TEXT;
}

static size_t row_bytes(const struct qb_array *array)
{
    return array->count / array->dims[0] * qb_dtype_size(array->dtype);
}

/* Does the part have this array, of n rows where it is in rows, else whole? */
static const struct qb_array *counterpart(const struct qb_record *part, const struct qb_array *array, size_t n)
{
    const struct qb_array *found = qb_record_get(part, array->name, array->dtype, array->rank);
    for (int d = 0; found && d < array->rank; d++)
        if (found->dims[d] != (d == 0 ? n : array->dims[d]))
            return NULL;
    return found;
}

/* Is it a part of this cell, from row `first` on, of whole pieces? Gives its rows. */
static enum qb_status check_part(const struct qb_parts *parts, const struct qb_cell *part, const struct qb_record *out,
                                 size_t rows, size_t each, size_t first, size_t *n, struct qb_error *err)
{
    const struct qb_cell *cell = parts->cell;
    const double count = qb_record_scalar(&part->record, "part_rows", 0);
    if (strcmp(part->key, cell->key) != 0 || strcmp(part->model, cell->model) != 0 ||
        strcmp(part->variant, cell->variant) != 0 || strcmp(part->experiment, cell->experiment) != 0)
        return qb_fail(err, QB_ERR_INPUT, "it is of another cell");
    if (qb_record_scalar(&part->record, "part_first", -1) != (double)first ||
        qb_record_scalar(&part->record, "part_of", -1) != (double)rows)
        return qb_fail(err, QB_ERR_INPUT, "it is of other rows than its name says");
    if (!(count >= 1 && count <= (double)(rows - first)) ||
        ((size_t)count % each != 0 && (size_t)count != rows - first))
        return qb_fail(err, QB_ERR_INPUT, "expected whole pieces of %zu rows, found %g", each, count);
    *n = (size_t)count;
    for (size_t a = 0; a < out->count; a++)
        if ((in_rows(&out->arrays[a], rows) || out->arrays[a].rank == 0) &&
            !counterpart(&part->record, &out->arrays[a], *n))
            return qb_fail(err, QB_ERR_INPUT, "array '%s' is missing or of another shape", out->arrays[a].name);
    return QB_OK;
}

static bool is_found(const struct qb_parts *parts, size_t first)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->found[i] == first)
            return true;
    return false;
}

/* The rows that the part from `first` on, which is there, gave; 0: it is refused. */
static size_t take(struct qb_parts *parts, struct qb_record *out, size_t rows, size_t each, size_t first)
{
    struct qb_cell part = {0};
    struct qb_error cause = {0};
    char path[QB_SHARD_PATH];
    size_t n = 0;
    path_of(parts, first, path);
    if (qb_part_read(path, &part, &cause)) {
        refuse(parts, first, &cause);
        return 0;
    }
    if (check_part(parts, &part, out, rows, each, first, &n, &cause)) {
        qb_wrap(&cause, "%s", path);
        refuse(parts, first, &cause);
        n = 0;
    }
    for (size_t a = 0; n && a < out->count; a++) {
        struct qb_array *array = &out->arrays[a];
        const size_t bytes = in_rows(array, rows) ? row_bytes(array) : qb_dtype_size(array->dtype);
        if (in_rows(array, rows))
            memcpy((char *)array->data + first * bytes, counterpart(&part.record, array, n)->data, n * bytes);
        else if (array->rank == 0)
            memcpy(array->data, counterpart(&part.record, array, n)->data, bytes);
    }
    if (n) {
        parts->seconds += qb_record_scalar(&part.record, "part_seconds", 0);
        parts->cpu_seconds += qb_record_scalar(&part.record, "part_cpu_seconds", 0);
    }
    qb_cell_free(&part);
    return n;
}

/* ---- writing ---- */

/* Rows of `out` that are computed and not saved. */
struct unsaved {
    size_t first, end;
    double since, cpu_since; /* when the first of them began */
};

static enum qb_status describe(const struct unsaved *u, size_t rows, struct qb_record *head, struct qb_error *err)
{
    qb_record_i64(head, "part_first", (int64_t)u->first, "1", "first row of the part", err);
    if (!err->status)
        qb_record_i64(head, "part_rows", (int64_t)(u->end - u->first), "1", "rows of the part", err);
    if (!err->status)
        qb_record_i64(head, "part_of", (int64_t)rows, "1", "rows of the whole", err);
    if (!err->status)
        qb_record_f64(head, "part_seconds", qb_clock() - u->since, "s", "what its pieces took, wall", err);
    if (!err->status)
        qb_record_f64(head, "part_cpu_seconds", qb_clock_cpu() - u->cpu_since, "s", "likewise, of processors", err);
    return err->status;
}

static enum qb_status write_part(const struct qb_parts *parts, const struct qb_record *out, size_t rows,
                                 const struct unsaved *u, struct qb_error *err)
{
    struct qb_record head = {0};
    struct qb_cell part = *parts->cell;
    char path[QB_SHARD_PATH];
    part.record = (struct qb_record){0};
    part.values = NULL;
    part.value_count = 0;
    if (describe(u, rows, &head, err) ||
        !(part.record.arrays = qb_alloc(head.count + out->count, sizeof *head.arrays, "a part's record", err)))
        goto out;
    memcpy(part.record.arrays, head.arrays, head.count * sizeof *head.arrays);
    part.record.count = head.count;
    for (size_t a = 0; a < out->count; a++) {
        struct qb_array array = out->arrays[a]; /* borrows all that it points to */
        if (!in_rows(&array, rows) && array.rank > 0)
            continue;
        if (array.rank > 0) {
            array.data = (char *)array.data + u->first * row_bytes(&array);
            array.count = array.count / rows * (u->end - u->first);
            array.dims[0] = u->end - u->first;
        }
        part.record.arrays[part.record.count++] = array;
    }
    path_of(parts, u->first, path);
    qb_part_write(path, &part, err);
out:
    qb_free(part.record.arrays);
    qb_record_free(&head);
    return err->status;
}

/* Saves what is computed: when `due` says that it must be now, or when it took long enough. */
static void save(struct qb_parts *parts, const struct qb_record *out, size_t rows, bool due, struct unsaved *u)
{
    struct qb_error cause = {0};
    const double took = qb_clock() - u->since;
    if (!parts->folder || u->first == u->end || took < (due ? 0 : parts->unsaved))
        return;
    if ((!parts->seen || !parts->seen->failed) && write_part(parts, out, rows, u, &cause)) {
        tell(parts, &cause);
        if (parts->seen)
            parts->seen->failed = true;
    }
    *u = (struct unsaved){u->end, u->end, qb_clock(), qb_clock_cpu()};
}

static size_t pieces_of(size_t rows, size_t each)
{
    return rows / each + (rows % each != 0);
}

static void count_done(struct qb_parts *parts, size_t pieces, bool taken)
{
    struct qb_parts_seen *seen = parts->seen;
    if (!seen)
        return;
    const double now = qb_clock();
    if (taken && seen->taken == seen->done) /* none was computed yet, and taking is no speed */
        seen->from = now;
    seen->taken += taken ? pieces : 0;
    seen->at = now;
    seen->done += pieces;
}

enum qb_status qb_parts_run(struct qb_parts *parts, struct qb_record *out, size_t rows, size_t each, qb_piece_work work,
                            void *context, struct qb_error *err)
{
    struct qb_parts none = {0};
    struct unsaved u = {.since = qb_clock(), .cpu_since = qb_clock_cpu()};
    parts = parts ? parts : &none;
    if (parts->seen) {
        parts->seen->from = u.since;
        parts->seen->total = pieces_of(rows, each);
    }
    for (size_t at = 0, n; at < rows && !err->status; at += n) {
        n = 0;
        if (is_found(parts, at)) {
            save(parts, out, rows, true, &u); /* a part is of rows that lie together */
            n = take(parts, out, rows, each, at);
        }
        if (n) {
            u = (struct unsaved){at + n, at + n, qb_clock(), qb_clock_cpu()};
            count_done(parts, pieces_of(n, each), true);
            continue;
        }
        n = each < rows - at ? each : rows - at;
        if (work(context, at, n, err))
            break;
        u.end = at + n;
        count_done(parts, 1, false);
        save(parts, out, rows, false, &u);
    }
    return err->status;
}
