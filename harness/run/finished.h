/* What is finished already: cells of earlier runs onto the same output, and references in the cache. None is dropped
 * unasked, and the old file stays whole until the new one takes its place. */
#ifndef QB_FINISHED_H
#define QB_FINISHED_H

#include "run/cache.h"
#include "run/shards.h"
#include "run/talk.h"

struct qb_finished {
    struct qb_schedule *schedule;
    const struct qb_talk *talk;
    const struct qb_shards *shards;
    const struct qb_cache *cache;
    bool resume, force;
    bool damaged; /* it was said that entries of the cache are */
    struct qb_old_cell {
        char *model, *variant, *experiment;
        char key[QB_HASH_HEX];
        size_t index; /* in the result file; QB_PLAN_NONE: a shard beside it */
    } * old;
    size_t count;
};

/* Reads what there is, refuses to drop finished cells (QB_ERR_INPUT without force: every one without resume, with it
 * those that the suite does not have), makes the folder of shards and removes what does not belong there. */
enum qb_status qb_finished_open(struct qb_finished *finished, struct qb_error *err);
void qb_finished_close(struct qb_finished *finished);

/* Marks cell i, which has its key, as done when a shard or the old file has it. */
void qb_finished_take(struct qb_finished *finished, size_t i);
/* Gives reference i, which a waiting cell needs, its record: from the cache, or it has to run (again). */
void qb_finished_lend(struct qb_finished *finished, size_t i);

/* With resume and --only: has model m an old cell that --only leaves out and whose key is not known? Whether it still
 * holds is known once its model is loaded. */
bool qb_finished_asks(const struct qb_finished *finished, size_t m);
/* When no model asks: likewise QB_ERR_INPUT where cells that --only leaves out no longer hold. */
enum qb_status qb_finished_guard_unselected(const struct qb_finished *finished, struct qb_error *err);

/* When all has run: says which old cells ran again. Some without any outcome: *keep_old_file after an interruption (the
 * result file must then stay), else QB_ERR_INPUT without force. */
enum qb_status qb_finished_settle(const struct qb_finished *finished, bool interrupted, bool *keep_old_file,
                                  struct qb_error *err);

/* Removes the shards, everything being in the result file, and the parts but of cells that are not done; says of parts
 * which stay and which are of no cell. */
void qb_finished_clean(const struct qb_finished *finished);

#endif
