/* Coverage by simulation: the same trials' data for every interval, so that methods differ by less than one method's
 * Monte-Carlo error. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/threads.h"
#include "metric/cluster.h"
#include "metric/population.h"

enum { IID = QB_METHODS, INTERVALS };

/* Where one interval of one trial lies against the mean. */
enum side { HOLDS, BELOW, ABOVE, NONE };
struct outcome {
    enum side side;
    float width;
};

struct simulation {
    const struct qb_coverage_design *design;
    double *sums;             /* [threads][clusters] */
    double *weight;           /* [clusters]: 128 each */
    struct outcome *outcomes; /* [INTERVALS][trials] */
};

static struct outcome judge(double lo, double hi, double mean, double unit)
{
    if (!(lo <= hi))
        return (struct outcome){NONE, NAN};
    return (struct outcome){hi < mean ? BELOW : lo > mean ? ABOVE : HOLDS, (float)((hi - lo) / 2 / unit)};
}

/* Positions taken for independent: Student's t over all of them; Wilson's for a share. */
static void iid_interval(const struct qb_coverage_design *design, double value, double squares, double *lo, double *hi)
{
    double n = (double)design->clusters * QB_POPULATION_CLUSTER, off = value - qb_population_mean(design->population);
    if (qb_population_kind(design->population) == QB_KIND_SHARE) {
        qb_wilson_at(value, n, qb_normal_quantile(0.975), lo, hi);
        return;
    }
    double half = qb_student_quantile(0.975, n - 1) * sqrt((squares / n - off * off) / (n - 1));
    *lo = value - half;
    *hi = value + half;
}

static void run_trial(void *context, size_t trial, unsigned worker)
{
    const struct simulation *s = context;
    const struct qb_coverage_design *design = s->design;
    const double mean = qb_population_mean(design->population);
    const enum qb_data_kind kind = qb_population_kind(design->population);
    struct qb_clusters x = {s->sums + worker * design->clusters, s->weight, design->clusters};
    struct qb_interval interval;
    double squares, lo, hi;
    qb_population_draw(design, trial, s->sums + worker * design->clusters, &squares);
    qb_mean_interval(&x, kind, QB_METHOD_CLUSTER_T, 0.95, QB_COVERAGE_ICC, &interval);
    double value = interval.value, unit = (interval.hi - interval.lo) / 2;
    for (int m = 0; m < QB_METHODS; m++)
        if (design->methods >> m & 1) {
            qb_mean_interval(&x, kind, (enum qb_interval_method)m, 0.95, QB_COVERAGE_ICC, &interval);
            s->outcomes[(size_t)m * design->trials + trial] = judge(interval.lo, interval.hi, mean, unit);
        }
    iid_interval(design, value, squares, &lo, &hi);
    s->outcomes[IID * design->trials + trial] = judge(lo, hi, mean, unit);
}

static int by_width(const void *a, const void *b)
{
    const struct outcome *x = a, *y = b;
    if (isnan(x->width) || isnan(y->width)) /* no interval comes last */
        return !!isnan(x->width) - !!isnan(y->width);
    return (x->width > y->width) - (x->width < y->width);
}

static struct qb_coverage summarise(struct outcome *outcomes, size_t trials)
{
    size_t below = 0, above = 0, holds = 0;
    for (size_t i = 0; i < trials; i++) {
        below += outcomes[i].side == BELOW;
        above += outcomes[i].side == ABOVE;
        holds += outcomes[i].side == HOLDS;
    }
    size_t given = below + above + holds;
    double none = 100 * (double)(trials - given) / (double)trials, percent = 100 / (double)given;
    if (given == 0)
        return (struct qb_coverage){NAN, NAN, NAN, NAN, none};
    qsort(outcomes, trials, sizeof *outcomes, by_width);
    return (struct qb_coverage){.covered = percent * (double)holds,
                                .below = percent * (double)below,
                                .above = percent * (double)above,
                                .width = (double)outcomes[given / 2].width,
                                .none = none};
}

bool qb_coverage_simulate(struct qb_pool *pool, const struct qb_coverage_design *design,
                          struct qb_coverage methods[QB_METHODS], struct qb_coverage *iid)
{
    struct qb_error err = {0};
    if (design->clusters < 2 || design->trials < 1 || !(design->icc >= 0 && design->icc < 1))
        return false;
    struct simulation s = {.design = design};
    s.sums = qb_alloc(qb_pool_threads(pool) * design->clusters, sizeof *s.sums, "coverage", &err);
    s.weight = qb_alloc(design->clusters, sizeof *s.weight, "coverage", &err);
    s.outcomes = qb_alloc(INTERVALS * design->trials, sizeof *s.outcomes, "coverage", &err);
    bool ok = s.sums && s.weight && s.outcomes;
    if (ok) {
        for (size_t g = 0; g < design->clusters; g++)
            s.weight[g] = QB_POPULATION_CLUSTER;
        qb_pool_run(pool, design->trials, run_trial, &s);
        for (size_t m = 0; m < QB_METHODS; m++)
            methods[m] = design->methods >> m & 1 ? summarise(s.outcomes + m * design->trials, design->trials)
                                                  : (struct qb_coverage){NAN, NAN, NAN, NAN, NAN};
        *iid = summarise(s.outcomes + IID * design->trials, design->trials);
    }
    qb_free(s.sums);
    qb_free(s.weight);
    qb_free(s.outcomes);
    return ok;
}
