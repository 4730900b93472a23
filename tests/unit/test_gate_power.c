/* What the gate's error rates are, by simulation: false reds over a whole gate, power at the minimum detectable effect,
 * and kernels slowed by 20%, by 5% and not at all. Seeds are fixed: the counts are the same each time. QB_GATE_TALLY=1
 * prints them (docs/gate.md quotes them). */
#include "gate_case.h"

#include "base/rng.h"

enum { GATES = 1000, TESTS = 5, CLUSTERS = 20 };

static double normal(struct qb_rng *rng)
{
    float x;
    qb_rng_normal(rng, 0, 1, &x, 1);
    return (double)x;
}

/* TESTS variants with kl_mean over CLUSTERS fresh clusters each: standard deviation 0.2, mean `mean` in the first
 * `moved` of them, 1 in the others. */
static void draw(struct qb_baseline *b, double mean, size_t moved, struct qb_rng *rng)
{
    for (size_t v = 0; v < TESTS; v++) {
        double sum[CLUSTERS];
        char name[8];
        snprintf(name, sizeof name, "v%zu", v);
        for (size_t g = 0; g < CLUSTERS; g++)
            sum[g] = (v < moved ? mean : 1) + 0.2 * normal(rng);
        struct qb_baseline_cell *cell = case_cell(b, "m", name, "teacher-forced");
        case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, sum, NULL, CLUSTERS);
    }
}

struct tally {
    size_t red_gates, red, pass, open;
};

static void count(const struct qb_gate *gate, struct tally *t)
{
    size_t red = 0;
    for (size_t i = 0; i < gate->count; i++) {
        const struct qb_gate_row *row = &gate->rows[i];
        if (!row->tested)
            continue;
        red += row->verdict == QB_GATE_FAIL;
        t->pass += row->verdict == QB_GATE_PASS;
        t->open += row->verdict == QB_GATE_INCONCLUSIVE;
    }
    t->red += red;
    t->red_gates += red > 0;
}

/* GATES gates of fresh inputs: the baseline's mean is 1, the result's `mean`. */
static struct tally simulate(double mean, size_t moved, uint32_t seed)
{
    struct qb_rng rng;
    struct tally t = {0};
    struct qb_gate_rules *rules = case_rules();
    qb_rng_seed(&rng, seed);
    for (size_t i = 0; i < GATES; i++) {
        struct qb_baseline *then = case_new(), *now = case_new();
        draw(then, 1, 0, &rng);
        draw(now, mean, moved, &rng);
        for (size_t c = 0; c < now->count; c++)
            case_hash(now->cells[c].inputs, 'f');
        struct qb_gate *gate = case_gate(now, then, rules, true);
        count(gate, &t);
        qb_gate_free(gate);
        qb_baseline_free(then);
        qb_baseline_free(now);
    }
    qb_gate_rules_free(rules);
    return t;
}

/* Four standard errors of a simulated share. */
static double slack(double share, size_t trials)
{
    return 4 * sqrt(share * (1 - share) / (double)trials);
}

Test(gate_power, false_reds_of_a_whole_gate)
{
    struct tally same = simulate(1, 0, 1), edge = simulate(1.05, TESTS, 2);
    double rate = (double)edge.red_gates / GATES;
    /* Identical distributions: far inside the margin. The margin itself is the least favourable case. */
    cr_assert_leq((double)same.red_gates / GATES, 0.05 + slack(0.05, GATES), "%zu red gates", same.red_gates);
    cr_assert_leq(rate, 0.05 + slack(0.05, GATES), "%zu red gates", edge.red_gates);
    if (getenv("QB_GATE_TALLY"))
        fprintf(stderr, "identical: %zu red gates of %d; at the margin: %zu red gates, %zu rows of %d pass\n",
                same.red_gates, GATES, edge.red_gates, edge.pass, GATES * TESTS);
    cr_assert_gt(edge.red_gates, 0, "a gate that is never red tests nothing");
    /* At the margin a pass is wrong: at most alpha of the rows. */
    cr_assert_leq((double)edge.pass / (GATES * TESTS), 0.05 + slack(0.05, GATES * TESTS), "%zu passed", edge.pass);
}

/* A true worsening of one variant by the detectable effect is found in 80% of the gates. */
Test(gate_power, minimum_detectable_effect)
{
    struct tally t;
    /* of now - 1.05 then, by Welch's formula for these two variances */
    double va = 0.04 * 1.05 * 1.05 / CLUSTERS, vb = 0.04 / CLUSTERS;
    struct qb_difference d = {.se = sqrt(va + vb), .df = (va + vb) * (va + vb) * (CLUSTERS - 1) / (va * va + vb * vb)};
    double effect = qb_minimum_detectable(&d, 0.05, 0.05 / TESTS, QB_GATE_POWER);
    t = simulate(1 + effect, 1, 3);
    double power = (double)t.red_gates / GATES;
    if (getenv("QB_GATE_TALLY"))
        fprintf(stderr, "at the detectable effect: %.1f%% of the gates red\n", 100 * power);
    cr_assert_float_eq(power, QB_GATE_POWER, slack(QB_GATE_POWER, GATES) + 0.01, "power %g", power);
}

/* ---- speed ---- */

enum { REPEATS = 25, METRICS = 10, SLOWED = 2, DRAWS = 300 };

/* One run of a ratio metric: `true_ratio` moved between runs by `between`, each repeat by `within`. */
static struct qb_baseline_run run_of(double true_ratio, double between, double within, struct qb_rng *rng)
{
    double x[REPEATS], scratch[REPEATS];
    struct qb_baseline_run run;
    double level = log(true_ratio) + between * normal(rng);
    for (size_t i = 0; i < REPEATS; i++)
        x[i] = exp(level + within * normal(rng));
    cr_assert(qb_quantile_interval(x, NULL, REPEATS, 0.5, 0.95, scratch, &run.value, &run.lo, &run.hi));
    return run;
}

/* A gate over METRICS ratios of which SLOWED take `slower` times as long; the tally is of these alone unless `all`. */
static void slow_gate(size_t runs, double slower, double between, double within, bool all, struct qb_rng *rng,
                      const struct qb_gate_rules *rules, struct tally *t)
{
    struct qb_baseline *then = case_new(), *now = case_new();
    for (size_t m = 0; m < METRICS; m++) {
        struct qb_baseline_run list[16];
        char variant[8];
        snprintf(variant, sizeof variant, "v%zu", m);
        for (size_t k = 0; k < runs; k++)
            list[k] = run_of(0.5, between, within, rng);
        case_runs(case_metric(case_cell(then, "m", variant, "speed"), "weight_decode_lookup_fraction", "ratio",
                              QB_HIGHER_IS_BETTER, 0),
                  list, runs);
        list[0] = run_of(0.5 / (m < SLOWED ? slower : 1), between, within, rng);
        case_runs(case_metric(case_cell(now, "m", variant, "speed"), "weight_decode_lookup_fraction", "ratio",
                              QB_HIGHER_IS_BETTER, 0),
                  list, 1);
    }
    struct qb_gate *gate = case_gate(now, then, rules, false);
    if (!all)
        for (size_t i = 0; i < gate->count; i++)
            gate->rows[i].tested = gate->rows[i].variant[1] < '0' + SLOWED && gate->rows[i].tested;
    count(gate, t);
    qb_gate_free(gate);
    qb_baseline_free(then);
    qb_baseline_free(now);
}

static struct tally simulate_speed(size_t runs, double slower, double between, double within)
{
    struct qb_rng rng;
    struct tally t = {0};
    struct qb_gate_rules *rules = case_rules();
    qb_rng_seed(&rng, (uint32_t)(1000 * runs) + (uint32_t)(100 * slower));
    for (size_t i = 0; i < DRAWS; i++)
        slow_gate(runs, slower, between, within, !(slower > 1), &rng, rules, &t);
    qb_gate_rules_free(rules);
    return t;
}

Test(gate_power, slowed_kernels)
{
    static const struct {
        size_t runs;
        double between, within;
    } cases[] = {{1, 0.01, 0.02}, {3, 0.01, 0.03}, {5, 0.01, 0.01}, {5, 0.015, 0.03}, {10, 0.01, 0.03}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double between = cases[i].between, within = cases[i].within;
        struct tally fine = simulate_speed(cases[i].runs, 1, between, within);
        struct tally five = simulate_speed(cases[i].runs, 1.05, between, within);
        struct tally twenty = simulate_speed(cases[i].runs, 1.2, between, within);
        cr_assert_eq(fine.red, 0, "case %zu: %zu unslowed red", i, fine.red);
        cr_assert_leq((double)five.pass / (DRAWS * SLOWED), 0.05, "case %zu: %zu of 5%% pass", i, five.pass);
        cr_assert_geq((double)twenty.red / (DRAWS * SLOWED), 0.99, "case %zu: %zu of 20%% red", i, twenty.red);
        cr_assert_eq(twenty.pass, 0, "case %zu: %zu of 20%% pass", i, twenty.pass);
        if (getenv("QB_GATE_TALLY"))
            fprintf(stderr,
                    "runs %zu between %g within %g: unslowed pass %zu open %zu; 5%%: red %zu pass %zu open %zu; "
                    "20%%: red %zu open %zu\n",
                    cases[i].runs, between, within, fine.pass, fine.open, five.red, five.pass, five.open, twenty.red,
                    twenty.open);
    }
}

/* On a machine many times noisier than expected, whose spread the baseline's runs show, the error rate holds; against
 * one run, which shows none, nothing is tested. */
Test(gate_power, noise_is_no_finding)
{
    struct tally noisy = simulate_speed(5, 1, 0.10, 0.30), drifting = simulate_speed(5, 1, 0.10, 0.03);
    struct tally alone = simulate_speed(1, 1, 0.10, 0.30);
    cr_assert_leq((double)noisy.red_gates / DRAWS, 0.05 + slack(0.05, DRAWS), "%zu red gates", noisy.red_gates);
    cr_assert_gt(noisy.open, 4 * noisy.pass, "%zu open, %zu pass", noisy.open, noisy.pass);
    cr_assert(alone.red == 0 && alone.pass == 0, "%zu red, %zu pass", alone.red, alone.pass);
    /* Runs that differ by far more than their repeats show: few reds, and mostly open. */
    cr_assert_leq((double)drifting.red_gates / DRAWS, 0.05 + slack(0.05, DRAWS), "%zu red gates", drifting.red_gates);
    cr_assert_gt(drifting.open, 4 * drifting.pass, "%zu open, %zu pass", drifting.open, drifting.pass);
    if (getenv("QB_GATE_TALLY"))
        fprintf(stderr, "noisy: red gates %zu, pass %zu, open %zu\n", noisy.red_gates, noisy.pass, noisy.open);
    if (getenv("QB_GATE_TALLY"))
        fprintf(stderr, "drifting: red gates %zu, pass %zu, open %zu\n", drifting.red_gates, drifting.pass,
                drifting.open);
}
