/* How long a run still takes, from what its cells took so far. Pure arithmetic: the caller has the clock. */
#ifndef QB_FORECAST_H
#define QB_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include "base/error.h"

enum qb_forecast_stage {
    QB_FORECAST_WAITS,
    QB_FORECAST_RUNS,
    QB_FORECAST_MEASURED, /* done in this run */
    QB_FORECAST_OVER      /* ended and tells nothing: taken from elsewhere, failed, skipped, not selected */
};

struct qb_forecast_cell {
    size_t model,
        kind;       /* kind: an experiment, or the reference of one; cells of one kind and model cost about the same */
    double work;    /* proportional to what the cell computes, comparable between models; 0: not known */
    bool exclusive; /* of the timed round, which comes last */
    enum qb_forecast_stage stage;
    double started; /* seconds since the run's start; where it runs or was measured */
    double seconds; /* of the cell: so far, or all */
    /* Of a cell in pieces: shares of them, 0 to 1, that an earlier run measured, and that are done, those included;
     * seconds from the first that was computed in this run to the end of the last, and since then. 0: not known. */
    double taken, done, worked, since;
};

struct qb_forecast {
    double least, most; /* seconds, least <= most; both NAN: no cell was measured yet */
    size_t open;        /* cells that are due of kinds of which none was measured: they come on top */
};

/* A cell that runs and has done pieces of its own costs what the rest takes at their pace; its whole at that pace
 * counts as a cell measured, and so does the whole of a cell that took some of its pieces from an earlier run: what was
 * taken is no speed. Any other cell that is due costs the mean of its kind in its model, within a quarter; where none
 * was measured there, what its kind took in other models for the same work, within a factor of 4. What kinds may be off
 * by adds up in squares. How cells lie side by side, and what goes on between them, is what it was so far. elapsed:
 * since the run's start. */
enum qb_status qb_forecast(const struct qb_forecast_cell *cells, size_t count, double elapsed,
                           struct qb_forecast *forecast, struct qb_error *err);

#endif
