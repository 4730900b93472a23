#include "metric/correlation.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/rng.h"
#include "metric/metric.h"

struct entry {
    double value;
    size_t index;
};

static int by_value(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Ranks from 1 of x; equal values share the mean of theirs. */
static void average_ranks(const double *x, size_t n, struct entry *room, double *rank)
{
    for (size_t i = 0; i < n; i++)
        room[i] = (struct entry){x[i], i};
    qsort(room, n, sizeof *room, by_value);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && room[end].value == room[i].value;)
            end++;
        for (size_t k = i; k < end; k++)
            rank[room[k].index] = 0.5 * (double)(i + 1 + end);
    }
}

struct room {
    struct entry *entries;
    double *rank_x, *rank_y, *x, *y, *rho;
};

/* Of average ranks, whose mean is (n + 1) / 2 to the bit. */
static double pearson(const double *x, const double *y, size_t n)
{
    const double mean = 0.5 * (double)(n + 1);
    double xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        xx += (x[i] - mean) * (x[i] - mean);
        yy += (y[i] - mean) * (y[i] - mean);
        xy += (x[i] - mean) * (y[i] - mean);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

static double spearman(const double *x, const double *y, size_t n, struct room *r)
{
    average_ranks(x, n, r->entries, r->rank_x);
    average_ranks(y, n, r->entries, r->rank_y);
    return pearson(r->rank_x, r->rank_y, n);
}

static void room_free(struct room *r)
{
    qb_free(r->entries);
    qb_free(r->rank_x);
    qb_free(r->rank_y);
    qb_free(r->x);
    qb_free(r->y);
    qb_free(r->rho);
}

static enum qb_status room_make(struct room *r, size_t n, size_t draws, struct qb_error *err)
{
    *r = (struct room){.entries = qb_alloc(n + 1, sizeof *r->entries, "ranks", err),
                       .rank_x = qb_alloc(n + 1, sizeof(double), "ranks", err),
                       .rank_y = qb_alloc(n + 1, sizeof(double), "ranks", err),
                       .x = qb_alloc(n + 1, sizeof(double), "a sample", err),
                       .y = qb_alloc(n + 1, sizeof(double), "a sample", err),
                       .rho = qb_alloc(draws + 1, sizeof(double), "rank correlations", err)};
    return err->status;
}

enum qb_status qb_spearman(const double *x, const double *y, size_t n, double *rho, struct qb_error *err)
{
    struct room r;
    *rho = NAN;
    if (!room_make(&r, n, 0, err))
        *rho = spearman(x, y, n, &r);
    room_free(&r);
    return err->status;
}

enum qb_status qb_spearman_interval(const double *x, const double *y, size_t n, double *lo, double *hi,
                                    struct qb_error *err)
{
    struct room r;
    struct qb_rng rng;
    size_t count = 0;
    *lo = *hi = NAN;
    qb_rng_seed(&rng, 0);
    if (!room_make(&r, n, QB_CORRELATION_DRAWS, err)) {
        for (size_t draw = 0; n > 1 && draw < QB_CORRELATION_DRAWS; draw++) {
            for (size_t i = 0; i < n; i++) {
                const uint32_t pick = qb_rng_randint(&rng, (uint32_t)n);
                r.x[i] = x[pick];
                r.y[i] = y[pick];
            }
            r.rho[count] = spearman(r.x, r.y, n, &r);
            count += isnan(r.rho[count]) ? 0 : 1;
        }
        if (count > 0) {
            qb_sort(r.rho, count);
            *lo = qb_quantile(r.rho, count, 0.025);
            *hi = qb_quantile(r.rho, count, 0.975);
        }
    }
    room_free(&r);
    return err->status;
}

/* Through all pairs but `without` (n: through all). */
static struct qb_line fit(const double *x, const double *y, size_t n, size_t without)
{
    double count = 0, mean_x = 0, mean_y = 0, xx = 0, xy = 0, least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (i != without) {
            least = fmin(least, x[i]);
            most = fmax(most, x[i]);
            count++;
            mean_x += x[i];
            mean_y += y[i];
        }
    mean_x /= count;
    mean_y /= count;
    for (size_t i = 0; i < n; i++)
        if (i != without) {
            xx += (x[i] - mean_x) * (x[i] - mean_x);
            xy += (x[i] - mean_x) * (y[i] - mean_y);
        }
    const double b = least < most ? xy / xx : NAN;
    return (struct qb_line){mean_y - b * mean_x, b, NAN};
}

struct qb_line qb_least_squares(const double *x, const double *y, size_t n)
{
    if (n < 3)
        return (struct qb_line){NAN, NAN, NAN};
    struct qb_line line = fit(x, y, n, n);
    double squares = 0;
    for (size_t i = 0; i < n; i++) {
        const struct qb_line others = fit(x, y, n, i);
        squares += pow(y[i] - others.a - others.b * x[i], 2);
    }
    line.left_out = sqrt(squares / (double)n);
    return line;
}
