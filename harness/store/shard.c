/* A shard is a result file of one cell with another format word, so that neither is taken for the other. */
#include <string.h>
#include "base/mem.h"
#include "store/hdf5_parts.h"

enum qb_status qb_shard_write(const char *path, const struct qb_cell *cell, struct qb_error *err)
{
    struct qb_cell_source source = {.cell = cell};
    return qb_store_write(path, QB_FORMAT_SHARD, NULL, &source, 1, err);
}

static enum qb_status read_all(const char *path, size_t bytes, struct qb_error *err)
{
    struct qb_cell cell;
    if (qb_shard_read(path, true, &cell, err))
        return err->status;
    qb_claim_check(qb_record_bytes(&cell.record), path, bytes, err);
    qb_cell_free(&cell);
    return err->status;
}

enum qb_status qb_shard_try(const char *path, struct qb_error *err)
{
    return qb_trial_read(read_all, path, err);
}

enum qb_status qb_shard_read(const char *path, bool arrays, struct qb_cell *cell, struct qb_error *err)
{
    struct qb_result *shard = NULL;
    *cell = (struct qb_cell){0};
    if (qb_store_open(path, QB_FORMAT_SHARD, &shard, err))
        return err->status;
    if (shard->count != 1)
        qb_fail(err, QB_ERR_INPUT, "%s: holds %zu cells, a shard holds one", path, shard->count);
    else if (!arrays || !qb_result_record(shard, 0, &shard->cells[0].record, err)) {
        *cell = shard->cells[0];
        shard->count = 0; /* the cell is the caller's now */
    }
    qb_result_close(shard);
    return err->status;
}
