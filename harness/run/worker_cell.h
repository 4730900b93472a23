/* The process of one cell: it measures, writes its shard and ends. */
#ifndef QB_WORKER_CELL_H
#define QB_WORKER_CELL_H

#include "run/experiment.h"
#include "run/plan.h"
#include "store/store.h"

/* Where a finished cell's record is: a shard, or a cell of an older result file. */
struct qb_record_source {
    const char *shard; /* path, or NULL */
    const char *result;
    size_t index; /* in result */
};

struct qb_worker_job {
    const struct qb_suite *suite;
    const struct qb_plan_cell *cell;
    struct qb_cell_env env;                   /* pool and reference are the worker's to fill */
    const struct qb_record_source *reference; /* NULL: the cell reads none */
    const char *key, *shard, *folder;         /* folder: of shards and parts */
    struct qb_parts_seen *seen;               /* shared with the run */
    unsigned threads;
    const struct qb_provenance *provenance; /* of the run: what the cell says of itself */
};

/* Runs the cell in this process, which has settled, up to its shard. */
enum qb_status qb_worker_cell(const struct qb_worker_job *job, struct qb_error *err);

#endif
