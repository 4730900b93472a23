/* A shard is a result file of one cell with another format word, so that neither is taken for the other; a part of a
 * cell likewise. */
#include <string.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

static enum qb_status write_one(const char *path, const char *format, const struct qb_cell *cell, struct qb_error *err)
{
    struct qb_cell_source source = {.cell = cell};
    return qb_store_write(path, format, NULL, &source, 1, err);
}

static enum qb_status read_one(const char *path, const char *format, bool arrays, struct qb_cell *cell,
                               struct qb_error *err)
{
    struct qb_result *shard = NULL;
    *cell = (struct qb_cell){0};
    if (qb_store_open(path, format, &shard, err))
        return err->status;
    if (shard->count != 1)
        qb_fail(err, QB_ERR_INPUT, "%s: holds %zu cells, expected one", path, shard->count);
    else if (!arrays || !qb_result_record(shard, 0, &shard->cells[0].record, err)) {
        *cell = shard->cells[0];
        shard->count = 0; /* the cell is the caller's now */
    }
    qb_result_close(shard);
    return err->status;
}

static enum qb_status try_one(const char *path, const char *format, size_t bytes, struct qb_error *err)
{
    struct qb_cell cell;
    if (read_one(path, format, true, &cell, err))
        return err->status;
    qb_claim_check(qb_record_bytes(&cell.record), path, bytes, err);
    qb_cell_free(&cell);
    return err->status;
}

/* ---- shards ---- */

enum qb_status qb_shard_write(const char *path, const struct qb_cell *cell, struct qb_error *err)
{
    return write_one(path, QB_FORMAT_SHARD, cell, err);
}

enum qb_status qb_shard_read(const char *path, bool arrays, struct qb_cell *cell, struct qb_error *err)
{
    return read_one(path, QB_FORMAT_SHARD, arrays, cell, err);
}

static enum qb_status try_shard(const char *path, size_t bytes, struct qb_error *err)
{
    return try_one(path, QB_FORMAT_SHARD, bytes, err);
}

enum qb_status qb_shard_try(const char *path, struct qb_error *err)
{
    return qb_trial_read(try_shard, path, err);
}

/* ---- parts of cells ---- */

enum qb_status qb_part_write(const char *path, const struct qb_cell *part, struct qb_error *err)
{
    return write_one(path, QB_FORMAT_PART, part, err);
}

enum qb_status qb_part_read(const char *path, struct qb_cell *part, struct qb_error *err)
{
    return read_one(path, QB_FORMAT_PART, true, part, err);
}

static enum qb_status try_part(const char *path, size_t bytes, struct qb_error *err)
{
    return try_one(path, QB_FORMAT_PART, bytes, err);
}

enum qb_status qb_part_try(const char *path, struct qb_error *err)
{
    return qb_trial_read(try_part, path, err);
}
