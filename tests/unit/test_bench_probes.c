/* The rounds of `bench`: no probe stands earlier than another, and each timed turn follows a call of the same probe. */
#include <criterion/criterion.h>

static double now;
static double fake_clock(void)
{
    return now;
}
#define qb_clock fake_clock
#define QB_CLOCK_H /* base/clock.h is not to declare what stands here */
#include "cli/bench_probe.c"

void qb_listing_add(struct qb_listing *listing, const char *const *values)
{
    (void)listing, (void)values;
}

/* A machine that slows down with every call, on which a call behind another probe's is slower still. */
static double slowness = 1;
static const void *last;
static enum qb_status call(void *context, struct qb_error *err)
{
    (void)err;
    slowness *= 1.001;
    now += 2e-3 * slowness * (last == context ? 1 : 1.5);
    last = context;
    return QB_OK;
}

static size_t before, between; /* calls of `empty`; timed calls without one right before them */
static bool emptied;
static void empty(void *context)
{
    (void)context;
    before++;
    emptied = true;
    now += 5; /* untimed */
}

static enum qb_status call_emptied(void *context, struct qb_error *err)
{
    (void)context, (void)err;
    between += !emptied;
    emptied = false;
    now += 4e-4;
    return QB_OK;
}

Test(bench_probes, what_goes_before_a_call_is_not_timed)
{
    struct qb_probes probes = {.repeats = 4};
    struct qb_error err = {0};
    struct qb_probe *probe = qb_probes_add(&probes, &err);
    cr_assert_not_null(probe);
    probe->call = call_emptied;
    probe->before = empty;
    probe->work = 1;
    cr_assert_eq(qb_probes_run(&probes, &err), QB_OK);
    cr_expect_eq(before, 15, "%zu calls emptied: 5 turns of three", before);
    cr_expect_eq(between, 5, "%zu were not: the untimed one of each turn", between);
    for (size_t r = 0; r < probes.repeats; r++)
        cr_expect_float_eq(probes.items[0].seconds[r], 4e-4, 1e-9, "%g s", probes.items[0].seconds[r]);
    qb_probes_free(&probes);
}

Test(bench_probes, a_probe_against_itself_is_1)
{
    struct qb_probes probes = {.repeats = 16};
    struct qb_error err = {0};
    char who[4];
    for (int i = 0; i < 4; i++) {
        struct qb_probe *probe = qb_probes_add(&probes, &err);
        cr_assert_not_null(probe);
        probe->call = call;
        probe->context = &who[i];
        probe->work = 1;
    }
    cr_assert_eq(qb_probes_run(&probes, &err), QB_OK);
    for (size_t i = 1; i < 4; i++) {
        double sum[2] = {0};
        for (size_t r = 0; r < probes.repeats; r++) {
            sum[0] += probes.items[0].seconds[r];
            sum[1] += probes.items[i].seconds[r];
        }
        cr_expect_float_eq(sum[1] / sum[0], 1, 1e-4, "probe %zu over probe 0: %.4f", i, sum[1] / sum[0]);
        cr_expect_float_eq(qb_probes_rate(&probes, i) / qb_probes_rate(&probes, 0), 1, 5e-3);
    }
    qb_probes_free(&probes);
}
