#include "run/forecast.h"

#include <math.h>

#include "base/mem.h"

#define SPREAD_SAME 1.25 /* of cells of one kind and model, about their mean */
#define SPREAD_OTHER 4.0 /* of other models' cells of the kind, about what their work says */

struct sum {
    double seconds, work, worked; /* worked: seconds of the cells whose work is known */
    size_t n;
};

struct due {
    double seconds, spread; /* of the wall; the factor within which they are */
};

struct rounds {
    double wall, busy; /* seconds of the round so far; of its cells, one after another */
};

struct table {
    struct sum *same, *kind; /* [models, kinds], [kinds] */
    size_t models, kinds, measured;
    struct rounds round[2]; /* the timed one is the second */
};

/* Does a cell that runs tell its pace? */
static bool tells(const struct qb_forecast_cell *cell)
{
    return cell->stage == QB_FORECAST_RUNS && cell->worked > 0 && cell->done > cell->taken;
}

/* What all of the cell takes, or would have; 0: all of it was taken, which tells nothing. */
static double whole(const struct qb_forecast_cell *cell)
{
    const double own = (tells(cell) ? cell->done : 1) - cell->taken;
    return own > 0 ? (tells(cell) ? cell->worked : cell->seconds) / own : 0;
}

static void take(struct sum *sum, const struct qb_forecast_cell *cell)
{
    const double seconds = whole(cell);
    sum->n++;
    sum->seconds += seconds;
    sum->work += cell->work;
    sum->worked += cell->work > 0 ? seconds : 0;
}

static enum qb_status fill(const struct qb_forecast_cell *cells, size_t count, double elapsed, struct table *table,
                           struct qb_error *err)
{
    double timed = elapsed; /* when the timed round began */
    for (size_t i = 0; i < count; i++) {
        table->models = cells[i].model >= table->models ? cells[i].model + 1 : table->models;
        table->kinds = cells[i].kind >= table->kinds ? cells[i].kind + 1 : table->kinds;
    }
    table->same = qb_alloc(table->models * table->kinds, sizeof *table->same, "forecast", err);
    table->kind = qb_alloc(table->kinds, sizeof *table->kind, "forecast", err);
    for (size_t i = 0; !err->status && i < count; i++) {
        const struct qb_forecast_cell *cell = &cells[i];
        if (cell->stage != QB_FORECAST_MEASURED && cell->stage != QB_FORECAST_RUNS)
            continue;
        table->round[cell->exclusive].busy += cell->seconds;
        timed = cell->exclusive && cell->started < timed ? cell->started : timed;
        if ((cell->stage != QB_FORECAST_MEASURED && !tells(cell)) || whole(cell) <= 0)
            continue;
        table->measured++;
        take(&table->same[cell->model * table->kinds + cell->kind], cell);
        take(&table->kind[cell->kind], cell);
    }
    table->round[0].wall = timed;
    table->round[1].wall = elapsed - timed;
    return err->status;
}

/* Seconds of the wall that a second of a cell takes: below 1 where cells run side by side, above it where nets are
 * prepared and models opened. */
static double pace(const struct rounds *round)
{
    return round->busy > 0 && round->wall > 0 ? round->wall / round->busy : 1;
}

/* What a cell of this model and kind costs, and how far from that it may be; 0: no cell of its kind was measured. */
static double cost(const struct table *table, const struct qb_forecast_cell *cell, double *spread)
{
    const struct sum *same = &table->same[cell->model * table->kinds + cell->kind], *kind = &table->kind[cell->kind];
    *spread = same->n ? SPREAD_SAME : SPREAD_OTHER;
    if (same->n)
        return same->seconds / (double)same->n;
    return cell->work > 0 && kind->work > 0 ? cell->work * kind->worked / kind->work : 0;
}

/* What is due of each model and kind: seconds of the wall into `due`, in the order of table->same. */
static bool add(const struct table *table, const struct qb_forecast_cell *cell, struct due *due)
{
    const double spent = cell->stage == QB_FORECAST_RUNS ? cell->seconds : 0;
    struct due *mine = &due[cell->model * table->kinds + cell->kind];
    const double mean = cost(table, cell, &mine->spread);
    const double left = tells(cell) ? whole(cell) * (1 - cell->done) - cell->since : mean * (1 - cell->taken) - spent;
    mine->seconds += pace(&table->round[cell->exclusive]) * fmax(0, left);
    return mean > 0;
}

/* Models and kinds are taken to err independently of each other: what they may be off by adds up in squares. */
static void sum_up(const struct due *due, size_t count, struct qb_forecast *forecast)
{
    double all = 0, below = 0, above = 0;
    for (size_t i = 0; i < count; i++) {
        if (due[i].seconds <= 0)
            continue;
        all += due[i].seconds;
        below += pow(due[i].seconds * (1 - 1 / due[i].spread), 2);
        above += pow(due[i].seconds * (due[i].spread - 1), 2);
    }
    forecast->least = all - sqrt(below);
    forecast->most = all + sqrt(above);
}

enum qb_status qb_forecast(const struct qb_forecast_cell *cells, size_t count, double elapsed,
                           struct qb_forecast *forecast, struct qb_error *err)
{
    struct table table = {0};
    struct due *due = NULL;
    *forecast = (struct qb_forecast){.least = NAN, .most = NAN};
    if (fill(cells, count, elapsed, &table, err) ||
        !(due = qb_alloc(table.models * table.kinds, sizeof *due, "forecast", err)))
        goto out;
    for (size_t i = 0; i < count; i++)
        if ((cells[i].stage == QB_FORECAST_WAITS || cells[i].stage == QB_FORECAST_RUNS) && !add(&table, &cells[i], due))
            forecast->open++;
    if (table.measured > 0)
        sum_up(due, table.models * table.kinds, forecast);
out:
    qb_free(due);
    qb_free(table.same);
    qb_free(table.kind);
    return err->status;
}
