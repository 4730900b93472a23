/* Interleaved timing of probes. */
#include "bench_probe.h"
#include "metric/metric.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define TURN 1e-3 /* least seconds of a timed turn */

struct qb_probe *qb_probes_add(struct qb_probes *probes, struct qb_error *err)
{
    struct qb_probe *items = qb_grow(probes->items, probes->count + 1, sizeof *items, "probes", err);
    if (!items)
        return NULL;
    probes->items = items;
    struct qb_probe *probe = &probes->items[probes->count];
    probe->ceiling = probes->count++;
    return probe;
}

/* Seconds of one call, the mean over as many as fill a turn. An untimed call before them puts into the caches what the
 * probe's own calls leave there, whichever probe ran before. */
static enum qb_status turn(const struct qb_probe *probe, double *seconds, struct qb_error *err)
{
    if (probe->call(probe->context, err))
        return qb_wrap(err, "%s %s", probe->name, probe->detail);
    double start = qb_clock(), spent = 0, untimed = 0;
    size_t calls = 0;
    do {
        if (probe->before) {
            const double begin = qb_clock();
            probe->before(probe->context);
            untimed += qb_clock() - begin;
        }
        if (probe->call(probe->context, err))
            return qb_wrap(err, "%s %s", probe->name, probe->detail);
        calls++;
        spent = qb_clock() - start - untimed;
    } while (spent < TURN);
    *seconds = spent / (double)calls;
    return QB_OK;
}

enum qb_status qb_probes_run(struct qb_probes *probes, struct qb_error *err)
{
    double untimed;
    for (size_t i = 0; i < probes->count; i++) {
        struct qb_probe *probe = &probes->items[i];
        probe->seconds = qb_alloc(probes->repeats, sizeof *probe->seconds, "timings", err);
        if (!probe->seconds || turn(probe, &untimed, err))
            return err->status;
    }
    for (size_t r = 0; r < probes->repeats; r++)
        for (size_t k = 0; k < probes->count; k++) {
            size_t i = r % 2 ? probes->count - 1 - k : k;
            if (turn(&probes->items[i], &probes->items[i].seconds[r], err))
                return err->status;
        }
    return QB_OK;
}

/* min, median and max of the rate of so much work. */
static void rates(const struct qb_probes *probes, size_t i, double work, double out[3])
{
    const struct qb_probe *probe = &probes->items[i];
    double sorted[1024];
    size_t n = probes->repeats < 1024 ? probes->repeats : 1024;
    memcpy(sorted, probe->seconds, n * sizeof *sorted);
    qb_sort(sorted, n);
    out[0] = work / sorted[n - 1] * 1e-9;
    out[1] = work / ((sorted[(n - 1) / 2] + sorted[n / 2]) / 2) * 1e-9;
    out[2] = work / sorted[0] * 1e-9;
}

double qb_probes_rate(const struct qb_probes *probes, size_t i)
{
    double rate[3];
    rates(probes, i, probes->items[i].work, rate);
    return rate[1];
}

/* A line of probe i: so much work as a share of probe `of`, itself for none. */
static void list_line(const struct qb_probes *probes, size_t i, double work, size_t of, struct qb_listing *listing)
{
    const struct qb_probe *probe = &probes->items[i], *other = &probes->items[of];
    char text[3][32], n[32], share[32] = "";
    double rate[3];
    rates(probes, i, work, rate);
    for (int k = 0; k < 3; k++)
        snprintf(text[k], sizeof text[k], "%.4g", rate[k]);
    snprintf(n, sizeof n, "%zu", probes->repeats);
    const char *of_name = of == i ? "" : strcmp(other->name, probe->name) != 0 ? other->name : other->detail;
    if (of != i)
        snprintf(share, sizeof share, "%.3f", rate[1] / qb_probes_rate(probes, of));
    qb_listing_add(listing, (const char *[]){probe->group, probe->name, probe->detail, text[1], text[0], text[2],
                                             probe->unit, n, share, of_name});
}

enum qb_status qb_probes_list(const struct qb_probes *probes, struct qb_listing *listing, struct qb_error *err)
{
    (void)err;
    for (size_t i = 0; i < probes->count; i++) {
        const struct qb_probe *probe = &probes->items[i];
        list_line(probes, i, probe->work, probe->ceiling, listing);
        if (probe->beside_work > 0)
            list_line(probes, i, probe->beside_work, probe->beside, listing);
    }
    return QB_OK;
}

void qb_probes_free(struct qb_probes *probes)
{
    for (size_t i = 0; i < probes->count; i++)
        qb_free(probes->items[i].seconds);
    qb_free(probes->items);
    *probes = (struct qb_probes){0};
}
