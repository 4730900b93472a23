/* The remaining time of recorded runs: told from what was seen so far, and held beside what came. */
#include <math.h>
#include <criterion/criterion.h>
#include "recorded_durations.h"
#include "run/forecast.h"

enum { CELLS = sizeof recorded / sizeof *recorded, JOBS = 2 };

/* By the suite's text: parameters of each model (as harness/run/work.h counts), tokens of the text. */
static const double parameters[RECORDED_MODELS] = {3.6e6, 3.6e6, 2e6, 1.7e6, 2.1e6, 33e6, 33e6};
static const double tokens[RECORDED_MODELS] = {50, 500, 10240, 10240, 10240, 10240, 10240};

static struct run {
    double began[CELLS], ends[CELLS]; /* seconds since the start */
    double all;
} run;

/* Cells start in the plan's order on JOBS seats; in the timed round on one, when the others are done. A skipped cell
 * ends when its model is reached. */
static void play(double opening)
{
    double seat[JOBS] = {0};
    for (size_t i = 0; i < CELLS; i++) {
        size_t free_seat = seat[1] < seat[0];
        if (i > 0 && recorded[i].model != recorded[i - 1].model)
            seat[free_seat] += opening;
        if (recorded[i].experiment == RECORDED_SPEED)
            seat[0] = seat[1] = fmax(seat[0], seat[1]);
        run.began[i] = seat[free_seat];
        run.ends[i] = seat[free_seat] += recorded[i].ms > 0 ? recorded[i].ms / 1e3 : 0;
        if (recorded[i].experiment == RECORDED_SPEED)
            seat[0] = seat[1] = run.ends[i];
    }
    run.all = fmax(seat[0], seat[1]);
}

static struct qb_forecast forecast_at(double now, bool with_work)
{
    static struct qb_forecast_cell cells[CELLS];
    struct qb_forecast forecast;
    struct qb_error err = {0};
    for (size_t i = 0; i < CELLS; i++) {
        const struct recorded *r = &recorded[i];
        const bool reads = r->experiment == 2 || r->experiment == 6; /* teacher-forced, attribute */
        cells[i] = (struct qb_forecast_cell){
            .model = (size_t)r->model,
            .kind = (size_t)r->experiment * 2 + (r->variant == 0),
            .work = with_work ? parameters[r->model] * (reads ? sqrt(tokens[r->model]) : 1) : 0,
            .exclusive = r->experiment == RECORDED_SPEED,
            .stage = run.began[i] > now  ? QB_FORECAST_WAITS
                     : r->ms < 0         ? QB_FORECAST_OVER
                     : run.ends[i] > now ? QB_FORECAST_RUNS
                                         : QB_FORECAST_MEASURED,
            .started = run.began[i],
            .seconds = fmin(now, run.ends[i]) - run.began[i]};
    }
    cr_assert_eq(qb_forecast(cells, CELLS, now, &forecast, &err), QB_OK, "%s", err.message);
    return forecast;
}

/* What was printed before: the mean of the cells that ran, for each that is left. */
static double mean_of_all(double now)
{
    double ran = 0;
    for (size_t i = 0; i < CELLS; i++)
        ran += run.ends[i] <= now;
    return now / ran * (CELLS - ran);
}

static const double openings[] = {0, 1.5}; /* seconds that a model takes to open */

/* What is told holds: no more is left than `most`, and no less than `least`, cells of kinds not yet seen on top. */
Test(forecast, what_is_left_lies_in_the_range)
{
    for (size_t o = 0; o < 2; o++) {
        play(openings[o]);
        for (int percent = 5; percent < 100; percent += 5) {
            const double now = run.all * percent / 100, left = run.all - now;
            const struct qb_forecast f = forecast_at(now, true);
            cr_expect(f.least <= left, "%d%%: at least %.1f s, %.1f are left", percent, f.least, left);
            cr_expect(f.open || f.most >= left, "%d%%: at most %.1f s, %.1f are left", percent, f.most, left);
            cr_expect(f.most < 5 * left, "%d%%: at most %.1f s is no help, %.1f are left", percent, f.most, left);
        }
    }
}

/* At a quarter, half and three quarters. What is open (all of the timed round) has to be seen to be told. */
Test(forecast, the_middle_is_within_a_factor)
{
    double worst = 1, worst_old = 1;
    for (size_t o = 0; o < 2; o++) {
        play(openings[o]);
        for (int percent = 25; percent < 100; percent += 25) {
            const double now = run.all * percent / 100;
            const struct qb_forecast f = forecast_at(now, true);
            double left = run.all - now, old = left / mean_of_all(now);
            for (size_t i = 0; f.open && i < CELLS; i++) /* but for the open cells, which are known to be that */
                left -= recorded[i].experiment == RECORDED_SPEED ? run.ends[i] - run.began[i] : 0;
            const double ratio = left / ((f.least + f.most) / 2);
            worst = fmax(worst, fmax(ratio, 1 / ratio));
            worst_old = fmax(worst_old, old);
        }
    }
    cr_expect(worst < 2, "off by a factor of %.2f", worst);
    cr_expect(worst_old > 5, "the mean of all is off by %.2f", worst_old);
}

Test(forecast, nothing_is_told_of_nothing)
{
    play(0);
    cr_assert(isnan(forecast_at(0, true).least));
    const struct qb_forecast first = forecast_at(run.all / 4, false);
    cr_expect(first.open > 100, "without work no model tells of another, and %zu are open", first.open);
}

/* By hand, cells in pieces: the first, all that was measured, did 2 of its 10 pieces in 4 s, 1 s ago, 5 more are an
 * earlier run's; what is left of it, and another of its kind that waits. */
Test(forecast, a_cell_in_pieces_tells_its_pace)
{
    struct qb_forecast_cell cells[] = {
        {.stage = QB_FORECAST_RUNS, .seconds = 5, .taken = 0.5, .done = 0.7, .worked = 4, .since = 1},
        {.kind = 1, .stage = QB_FORECAST_OVER}};
    struct qb_forecast f;
    struct qb_error err = {0};
    cr_assert_eq(qb_forecast(cells, 2, 5, &f, &err), QB_OK);
    cr_expect_float_eq(f.least, 5 * 0.8, 1e-12); /* 3 pieces of 2 s, less 1 s */
    cr_expect_float_eq(f.most, 5 * 1.25, 1e-12);
    cr_expect_eq(f.open, 0);
    cells[1] = (struct qb_forecast_cell){.stage = QB_FORECAST_WAITS};
    cr_assert_eq(qb_forecast(cells, 2, 5, &f, &err), QB_OK);
    cr_expect_float_eq(f.least, 25 * 0.8, 1e-12); /* its 10 pieces at the same pace */
    cells[0].done = 0.5, cells[0].worked = 0;     /* none of its own yet: what was taken is no speed */
    cr_assert_eq(qb_forecast(cells, 2, 5, &f, &err), QB_OK);
    cr_expect(isnan(f.least));
    cr_expect_eq(f.open, 2);
}

/* By hand: a cell of which half was taken took 3 s: the next of its kind, taken to nothing, takes 6. */
Test(forecast, taken_pieces_are_no_speed)
{
    const struct qb_forecast_cell cells[] = {{.stage = QB_FORECAST_MEASURED, .seconds = 3, .taken = 0.5, .done = 1},
                                             {.started = 3}};
    struct qb_forecast f;
    struct qb_error err = {0};
    cr_assert_eq(qb_forecast(cells, 2, 3, &f, &err), QB_OK);
    cr_expect_float_eq(f.most, 6 * 1.25, 1e-12);
}

/* By hand: two of three cells of a kind took 2 s each, one after another; the third runs for 0.5 s. */
Test(forecast, a_case_by_hand)
{
    struct qb_forecast_cell cells[] = {{.stage = QB_FORECAST_MEASURED, .seconds = 2},
                                       {.stage = QB_FORECAST_MEASURED, .started = 2, .seconds = 2},
                                       {.stage = QB_FORECAST_RUNS, .started = 4, .seconds = 0.5},
                                       {.kind = 1},
                                       {.kind = 1, .stage = QB_FORECAST_OVER}};
    struct qb_forecast f;
    struct qb_error err = {0};
    cr_assert_eq(qb_forecast(cells, 5, 4.5, &f, &err), QB_OK);
    cr_expect_float_eq(f.least, 1.5 * 0.8, 1e-12);
    cr_expect_float_eq(f.most, 1.5 * 1.25, 1e-12);
    cr_expect_eq(f.open, 1);
    cells[2].seconds = 3; /* longer than the others: it may end at once */
    cr_assert_eq(qb_forecast(cells, 5, 7, &f, &err), QB_OK);
    cr_expect_float_eq(f.most, 0, 1e-12);
}
