/* How long the cells of a schedule still take. */
#ifndef QB_OUTLOOK_H
#define QB_OUTLOOK_H

#include "run/forecast.h"
#include "run/schedule.h"

/* start, now: qb_clock at the run's start and now. */
enum qb_status qb_outlook(const struct qb_schedule *schedule, double start, double now, struct qb_forecast *forecast,
                          struct qb_error *err);

#endif
