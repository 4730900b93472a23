/* A cell in pieces, and the parts of it that are kept while it goes on, so that a run that is killed loses a piece and
 * not the cell. A piece is what an experiment computes at once and independently of the others, a chunk of a text say;
 * a part is a file beside the shards with what some pieces in a row have measured. */
#ifndef QB_PARTS_H
#define QB_PARTS_H

#include <stdatomic.h>
#include "base/record.h"

/* How far a cell is, as its process says it in memory that it shares with the run. Only what the run shows depends on
 * it. The process fills `why` before it counts the refusal, once. */
struct qb_parts_seen {
    _Atomic size_t total, done, taken; /* pieces; done: those taken, too */
    _Atomic double from, at;           /* qb_clock: when the first began that was computed here; when the last ended */
    _Atomic size_t refused;            /* parts that were not what they should be and are measured anew */
    atomic_bool failed;                /* a part could not be written: no further ones are */
    char why[1024];                    /* of the first that was refused or failed */
};

struct qb_cell;

/* The parts of one cell. Zeroed but for `seen`: none are kept. */
struct qb_parts {
    const char *folder;          /* of the run's shards; NULL: none are kept */
    const struct qb_cell *cell;  /* key and place */
    double unsaved;              /* seconds of work that may go unsaved beyond a piece */
    struct qb_parts_seen *seen;  /* or NULL */
    size_t *found, count;        /* first rows of the parts that were there, whole */
    double seconds, cpu_seconds; /* that the parts taken took when they were measured */
};

/* Looks for the parts of `cell` in `folder`; reads each in a child first, so call it before threads start. One that
 * cannot be read is removed and counted. All are borrowed. Close it also on failure. */
enum qb_status qb_parts_open(struct qb_parts *parts, const char *folder, const struct qb_cell *cell, double unsaved,
                             struct qb_parts_seen *seen, struct qb_error *err);
/* Removes the cell's parts from the folder: its shard is there. */
void qb_parts_remove(const struct qb_parts *parts);
void qb_parts_close(struct qb_parts *parts);

/* Computes a piece: rows [first, first + n) of the arrays. */
typedef enum qb_status (*qb_piece_work)(void *context, size_t first, size_t n, struct qb_error *err);

/* Has `work` compute the pieces of `out` in order, but those that parts hold, which are taken from there to the bit.
 * The pieces fill those arrays of out whose first dimension is `rows`, `each` rows at a time, the last piece what is
 * left; nothing else that is needed later may come from a piece, but scalars of out, which are those of the last. A
 * part of another key, another place, or other arrays is refused: removed, counted and computed. What cannot be written
 * stops no cell: it is counted, and no further part is written. parts NULL: computes all. Errors are those of `work`.
 */
enum qb_status qb_parts_run(struct qb_parts *parts, struct qb_record *out, size_t rows, size_t each, qb_piece_work work,
                            void *context, struct qb_error *err);

#endif
