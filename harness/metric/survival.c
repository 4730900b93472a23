/* Kaplan and Meier's survival curve with Greenwood's variance on the log-log scale. */
#include <math.h>
#include <stdlib.h>
#include "metric/stats.h"

static int by_time(const void *a, const void *b)
{
    const struct qb_survival_step *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

/* S^exp(-+theta), theta = z sqrt(greenwood) / |log S|: in [0, 1] by construction, which S +- z se is not. */
static void log_log_interval(struct qb_survival_step *step, double greenwood)
{
    const double z = 1.959963984540054;
    step->lo = step->hi = NAN;
    if (!(step->survival > 0 && step->survival < 1))
        return;
    double theta = z * sqrt(greenwood) / fabs(log(step->survival));
    step->lo = pow(step->survival, exp(theta));
    step->hi = pow(step->survival, exp(-theta));
}

/* `steps` holds the sorted subjects first; the steps overwrite them from the front. */
size_t qb_kaplan_meier(const double *time, const uint8_t *event, size_t n, struct qb_survival_step *steps)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(time[i]))
            return 0;
        steps[i] = (struct qb_survival_step){.time = time[i], .events = event[i] != 0};
    }
    qsort(steps, n, sizeof *steps, by_time);
    double survival = 1, greenwood = 0;
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        double t = steps[i].time;
        size_t at_risk = n - i, events = 0;
        for (; i < n && steps[i].time == t; i++)
            events += steps[i].events;
        if (events == 0)
            continue;
        survival *= (double)(at_risk - events) / (double)at_risk;
        greenwood += (double)events / ((double)at_risk * (double)(at_risk - events));
        steps[count] = (struct qb_survival_step){.time = t, .survival = survival, .at_risk = at_risk, .events = events};
        log_log_interval(&steps[count++], greenwood);
    }
    return count;
}
