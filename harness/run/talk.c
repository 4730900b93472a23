#include "run/talk.h"

#include <stdarg.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "run/outlook.h"

static void count_cells(const struct qb_schedule *schedule, struct qb_run_event *event, struct qb_text *labels)
{
    event->total = schedule->plan.selected;
    for (size_t i = 0; i < schedule->plan.count; i++) {
        const struct qb_scheduled *cell = &schedule->cells[i];
        if (!schedule->plan.cells[i].selected)
            continue;
        event->done += cell->stage == QB_STAGE_ENDED;
        const bool preparing = cell->preparing && cell->stage == QB_STAGE_WAITING;
        if (cell->stage != QB_STAGE_RUNNING && !preparing)
            continue;
        const struct qb_plan_cell *plan = &schedule->plan.cells[i];
        qb_text_add(labels, "%s", labels->size ? ", " : "");
        if (preparing)
            qb_text_add(labels, "%s/%s (net)", schedule->suite->models[plan->model].name,
                        qb_plan_variant_name(schedule->suite, plan));
        else
            qb_plan_label(schedule->suite, plan, labels);
        if (!preparing && cell->pieces.total > 1)
            qb_text_add(labels, " %zu/%zu", cell->pieces.done, cell->pieces.total);
    }
}

static void send(const struct qb_talk *talk, struct qb_run_event *event)
{
    struct qb_text labels = {0};
    if (!talk->event)
        return;
    event->elapsed = qb_clock() - talk->start;
    count_cells(talk->schedule, event, &labels);
    event->running_labels = labels.data ? labels.data : "";
    talk->event(talk->context, event);
    qb_text_free(&labels);
}

void qb_talk_note(const struct qb_talk *talk, enum qb_run_event_kind kind, const char *format, ...)
{
    char text[1400];
    va_list args;
    va_start(args, format);
    qb_utf8_vprint(text, sizeof text, format, args);
    va_end(args);
    send(talk, &(struct qb_run_event){.kind = kind, .text = text});
}

bool qb_talk_left(const struct qb_talk *talk, struct qb_forecast *forecast)
{
    struct qb_error ignored = {0};
    return !qb_outlook(talk->schedule, talk->parameters, talk->start, qb_clock(), forecast, &ignored) &&
           forecast->least >= 0;
}

void qb_talk_tick(const struct qb_talk *talk)
{
    send(talk, &(struct qb_run_event){.kind = QB_RUN_TICK, .talk = talk});
}

static void finished(const struct qb_talk *talk, size_t i, double seconds)
{
    struct qb_text label = {0};
    const struct qb_cell *outcome = &talk->schedule->cells[i].outcome;
    qb_plan_label(talk->schedule->suite, &talk->schedule->plan.cells[i], &label);
    send(talk, &(struct qb_run_event){.kind = QB_RUN_FINISHED,
                                      .label = label.data,
                                      .state = outcome->state,
                                      .seconds = seconds,
                                      .text = outcome->message ? outcome->message : ""});
    qb_text_free(&label);
}

void qb_talk_done(const struct qb_talk *talk, size_t i, double seconds)
{
    talk->schedule->cells[i].stage = QB_STAGE_ENDED;
    talk->schedule->cells[i].outcome.state = QB_CELL_DONE;
    talk->schedule->cells[i].seconds = seconds;
    finished(talk, i, seconds);
}

enum qb_status qb_talk_end(const struct qb_talk *talk, size_t i, const struct qb_cell_end *end, struct qb_error *err)
{
    if (qb_schedule_end(talk->schedule, i, end, err))
        return err->status;
    finished(talk, i, end->seconds);
    return QB_OK;
}
