/* The schedule: the plan's cells and what has become of each. */
#ifndef QB_SCHEDULE_H
#define QB_SCHEDULE_H

#include "model/effect.h"
#include "run/plan.h"
#include "store/store.h"

enum qb_stage { QB_STAGE_WAITING, QB_STAGE_RUNNING, QB_STAGE_ENDED };
/* Where the record of a cell comes from that this run did not measure. */
enum qb_taken { QB_TAKEN_NOT, QB_TAKEN_SHARD, QB_TAKEN_CACHE, QB_TAKEN_RESULT };

/* How far a cell is that works in pieces (parts.h), as last seen. total 0: it does not, or has not said. */
struct qb_pieces {
    size_t total, done, taken;
    double from, at; /* qb_clock */
};

struct qb_scheduled {
    enum qb_stage stage;
    char key[QB_HASH_HEX];    /* "" until the model was loaded */
    char inputs[QB_HASH_HEX]; /* likewise */
    struct qb_cell outcome;   /* failed or skipped: the whole cell; done: state alone */
    bool preparing;           /* a net is made that it waits for */
    double started, seconds;  /* qb_clock; once it ended by itself in this run: what it took */
    struct qb_pieces pieces;
    enum qb_taken taken;
    size_t old_index; /* QB_TAKEN_RESULT: its place in the older result file */
};

struct qb_schedule {
    const struct qb_suite *suite;
    struct qb_plan plan;
    struct qb_scheduled *cells; /* [plan.count] */
};

/* Plans (qb_plan_make); the caller closes it, also after a failure. */
enum qb_status qb_schedule_open(struct qb_schedule *schedule, const struct qb_suite *suite, const struct qb_only *only,
                                struct qb_error *err);
void qb_schedule_close(struct qb_schedule *schedule);

bool qb_schedule_waits(const struct qb_schedule *schedule, size_t i); /* selected, and neither runs nor has ended */
/* The variant of cell i; NULL: it is a reference. */
const struct qb_variant *qb_schedule_variant(const struct qb_schedule *schedule, size_t i);
const struct qb_experiment *qb_schedule_experiment(const struct qb_schedule *schedule, size_t i);
bool qb_schedule_same_place(const struct qb_schedule *schedule, size_t i, const char *model, const char *variant,
                            const char *experiment);

/* How a cell ended without a shard. */
struct qb_cell_end {
    enum qb_cell_state state; /* failed or skipped */
    bool nonfinite;
    double seconds;
    const char *message;
    const struct qb_effect *effect; /* of its variant on the model; NULL: not known */
};
/* Makes the outcome of cell i, with flagged rows for the summary. */
enum qb_status qb_schedule_end(struct qb_schedule *schedule, size_t i, const struct qb_cell_end *end,
                               struct qb_error *err);

#endif
