/* The line that says how far a run is. */
#ifndef QB_PROGRESS_LINE_H
#define QB_PROGRESS_LINE_H

#include "base/text.h"
#include "run/forecast.h"

struct qb_progress_state {
    size_t done, total;             /* cells */
    double elapsed;                 /* seconds */
    const struct qb_forecast *left; /* NULL: nothing is known */
    const char *labels;             /* what runs, ", " between them */
};

/* Appends "[####....] 12/48  0:15  about 1:20 left  LABELS" in at most `width` columns: what does not fit goes, the bar
 * first, then what has passed. Labels share what is left and lose their beginnings, for their ends tell them apart.
 * What is left is "about 1:20 left" or "0:40 to 2:00 left"; with cells of a kind that was not measured "over 1:20 left,
 * 8 cells unknown". */
void qb_progress_line(const struct qb_progress_state *state, size_t width, struct qb_text *out);

#endif
