/* A bar on a terminal, plain lines elsewhere. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "cli.h"

#define REDRAW 0.2 /* seconds */

void qb_progress_begin(struct qb_progress *progress, bool quiet)
{
    *progress = (struct qb_progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1};
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

static void clock_text(double seconds, char out[32])
{
    unsigned long s = seconds > 0 ? (unsigned long)seconds : 0;
    if (s >= 3600)
        snprintf(out, 32, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, 32, "%lu:%02lu", s / 60, s % 60);
}

/* Cells differ in length: the estimate is what it is, the mean of those that ran. */
static void draw(struct qb_progress *progress, const struct qb_run_event *event)
{
    enum { BAR = 24 };
    char bar[BAR + 1], elapsed[32], left[32] = "?";
    struct qb_text line = {0};
    size_t ran = event->done - event->taken, filled = event->total ? event->done * BAR / event->total : BAR;
    size_t width = qb_columns(STDERR_FILENO);
    for (size_t i = 0; i < BAR; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR] = '\0';
    clock_text(event->elapsed, elapsed);
    if (ran > 0)
        clock_text(event->elapsed / (double)ran * (double)(event->total - event->done), left);
    qb_text_add(&line, "[%s] %zu/%zu  %s  ETA %s  %s", bar, event->done, event->total, elapsed, left,
                event->running_labels);
    if (!line.failed) {
        if (line.size >= width)
            line.data[qb_utf8_upto(line.data, width - 1)] = '\0';
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
