/* What a run says while it goes on: events for the caller, with the counts of the schedule. */
#ifndef QB_TALK_H
#define QB_TALK_H

#include "run/forecast.h"
#include "run/schedule.h"

enum qb_run_event_kind {
    QB_RUN_NOTE,    /* text: something the user should know once */
    QB_RUN_WARNING, /* text: a variant's warning, once a run; at the end, calibration on evaluated text, once a model */
    QB_RUN_FINISHED, /* a cell ended: label, state, seconds, text = message */
    QB_RUN_TICK      /* several times a second: the counts */
};

struct qb_run_event {
    enum qb_run_event_kind kind;
    const char *text;
    const char *label; /* model/variant/experiment */
    enum qb_cell_state state;
    double seconds;             /* of the cell */
    size_t done, total;         /* selected cells that ended, and all of them */
    const char *running_labels; /* ", " between them; "MODEL/VARIANT (net)" while a net is made; with pieces
                                 * that are done of a cell's, "MODEL/VARIANT/EXPERIMENT 3/8" */
    double elapsed;             /* seconds since the start */
    const struct qb_talk *talk; /* TICK: for qb_talk_left */
};

struct qb_talk {
    struct qb_schedule *schedule;
    double *parameters;                                             /* of its models (outlook.h) */
    double start;                                                   /* qb_clock */
    void (*event)(void *context, const struct qb_run_event *event); /* may be NULL */
    void *context;
};

void qb_talk_note(const struct qb_talk *talk, enum qb_run_event_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void qb_talk_tick(const struct qb_talk *talk);
/* How long the run still takes; false: nothing is known of it. */
bool qb_talk_left(const struct qb_talk *talk, struct qb_forecast *forecast);
/* Cell i is done: its stage, and an event. */
void qb_talk_done(const struct qb_talk *talk, size_t i, double seconds);
/* Cell i failed or was skipped: its outcome (qb_schedule_end), and an event. */
enum qb_status qb_talk_end(const struct qb_talk *talk, size_t i, const struct qb_cell_end *end, struct qb_error *err);

#endif
