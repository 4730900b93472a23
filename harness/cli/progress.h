/* What a run says on stderr while it goes on. */
#ifndef QB_PROGRESS_H
#define QB_PROGRESS_H

#include "run/engine.h"

struct qb_progress {
    bool quiet;    /* warnings and failures only */
    bool terminal; /* a bar that is redrawn; else a line a cell */
    bool drawn;    /* a bar stands on the line */
    double last_drawn;
};
void qb_progress_begin(struct qb_progress *progress, bool quiet);
void qb_progress_event(void *context, const struct qb_run_event *event); /* context: the qb_progress */
void qb_progress_end(struct qb_progress *progress);

#endif
