/* How long the cells of a schedule still take. */
#ifndef QB_OUTLOOK_H
#define QB_OUTLOOK_H

#include "run/forecast.h"
#include "run/schedule.h"

/* About how many parameters each of the suite's models has, [model_count], from its generator or the bytes of its
 * files; 0: not known. A new buffer for qb_free. */
double *qb_outlook_parameters(const struct qb_suite *suite, struct qb_error *err);

/* parameters: of the suite's models. start, now: qb_clock at the run's start and now. */
enum qb_status qb_outlook(const struct qb_schedule *schedule, const double *parameters, double start, double now,
                          struct qb_forecast *forecast, struct qb_error *err);

#endif
