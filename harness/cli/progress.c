/* A bar on a terminal, plain lines elsewhere. */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "run/progress_line.h"

#define REDRAW 0.2 /* seconds */

void qb_progress_begin(struct qb_progress *progress, bool quiet)
{
    const char *kind = getenv("TERM");
    *progress = (struct qb_progress){.quiet = quiet,
                                     .terminal = isatty(STDERR_FILENO) == 1 && !(kind && strcmp(kind, "dumb") == 0)};
}

static void erase(struct qb_progress *progress)
{
    if (progress->drawn)
        qb_tell_status("");
    progress->drawn = false;
}

void qb_progress_end(struct qb_progress *progress)
{
    erase(progress);
}

static void draw(struct qb_progress *progress, const struct qb_run_event *event)
{
    struct qb_forecast left;
    const struct qb_progress_state state = {.done = event->done,
                                            .total = event->total,
                                            .elapsed = event->elapsed,
                                            .left = qb_talk_left(event->talk, &left) ? &left : NULL,
                                            .labels = event->running_labels};
    struct qb_text line = {0};
    qb_progress_line(&state, qb_columns(STDERR_FILENO) - 1, &line);
    if (!line.failed) {
        qb_tell_status(line.data);
        progress->drawn = true;
        progress->last_drawn = event->elapsed;
    }
    qb_text_free(&line);
}

static void finished(struct qb_progress *progress, const struct qb_run_event *event)
{
    static const char *const states[] = {"done", "FAILED", "skipped"};
    bool failed = event->state == QB_CELL_FAILED;
    if (!failed && (progress->quiet || progress->terminal))
        return;
    erase(progress);
    if (event->state == QB_CELL_DONE)
        qb_tell("[%*zu/%zu] %-7s %s  %.2f s", 3, event->done, event->total, states[event->state], event->label,
                event->seconds);
    else
        qb_tell("[%*zu/%zu] %-7s %s: %s", 3, event->done, event->total, states[event->state], event->label,
                event->text);
}

void qb_progress_event(void *context, const struct qb_run_event *event)
{
    struct qb_progress *progress = context;
    switch (event->kind) {
    case QB_RUN_WARNING:
        erase(progress);
        qb_tell("warning: %s", event->text);
        break;
    case QB_RUN_NOTE:
        erase(progress);
        if (!progress->quiet)
            qb_tell("note: %s", event->text);
        break;
    case QB_RUN_FINISHED:
        finished(progress, event);
        break;
    case QB_RUN_TICK:
        if (progress->terminal && !progress->quiet &&
            (!progress->drawn || event->elapsed - progress->last_drawn > REDRAW))
            draw(progress, event);
        break;
    }
}
