/* The processes at work: cells, and the preparers that most of them are forked from. */
#ifndef QB_CREW_H
#define QB_CREW_H

#include "base/file.h"
#include "run/at_hand.h"
#include "run/preparer.h"

struct qb_crew {
    struct qb_schedule *schedule;
    const struct qb_talk *talk;
    const struct qb_shards *shards;
    const struct qb_cache *cache;
    const struct qb_at_hand *hand;
    const struct qb_provenance *provenance; /* of the run */
    unsigned jobs;
    struct qb_seat {
        struct qb_worker worker;
        size_t cell;
    } * seats;                     /* [jobs] */
    struct qb_preparer *preparers; /* [jobs] */
    struct qb_map seen;            /* struct qb_parts_seen [plan.count], shared with the processes of cells */
    struct qb_crew_shelf {
        struct qb_shelf *shelf; /* NULL: none */
        size_t readers;         /* cells of the reference that have not ended */
    } * shelves;                /* [plan.count], of references */
    int watch;                  /* qb_orphans_watch; -1: none */
    bool cache_failed;          /* that references cannot be kept was said */
};

enum qb_status qb_crew_open(struct qb_crew *crew, struct qb_error *err);
void qb_crew_kill(struct qb_crew *crew); /* all that are at work */
void qb_crew_close(struct qb_crew *crew);

/* Skips and starts what can be of cells [from, to), which are of the model at hand and of one round; *waiting: those
 * left that neither run nor ended. Of exclusive cells one runs at a time. */
enum qb_status qb_crew_start(struct qb_crew *crew, size_t from, size_t to, size_t *waiting, struct qb_error *err);
/* Waits for something to happen, at most a tick; takes the ends of processes. */
enum qb_status qb_crew_attend(struct qb_crew *crew, struct qb_error *err);
bool qb_crew_idle(const struct qb_crew *crew); /* no process is there */

#endif
