/* The gate's tests against values of tests/golden/make_gate.py (NumPy, SciPy), and the verdicts they lead to. */
#include "gate_case.h"

static const double a[] = {10, 12, 9, 14, 11, 8}, b[] = {11, 13.5, 9.5, 16, 11.5, 8.5},
                    w[] = {100, 100, 100, 120, 100, 90};

#define near(x, y) (fabs((double)(x) - (double)(y)) <= 1e-9 * fabs((double)(y)))

/* One kl_mean on both sides. */
static struct qb_gate *gate_of(struct qb_baseline *sides[2], const double *then, const double *now,
                               const double *weight, size_t n, bool fresh, struct qb_gate_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        struct qb_baseline_cell *cell;
        sides[i] = case_new();
        cell = case_cell(sides[i], "m", "v", "teacher-forced");
        case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, i ? now : then, weight, n);
        if (i && fresh)
            case_hash(cell->inputs, 'f');
    }
    return case_gate(sides[1], sides[0], rules, fresh);
}

static void done(struct qb_baseline *sides[2], struct qb_gate *gate, struct qb_gate_rules *rules)
{
    qb_gate_free(gate);
    qb_baseline_free(sides[0]);
    qb_baseline_free(sides[1]);
    qb_gate_rules_free(rules);
}

Test(gate_tests, paired)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = gate_of(sides, a, b, w, 6, false, rules);
    const struct qb_gate_row *row = case_row(gate, "v", "kl_mean");
    cr_assert(row->paired && row->clusters == 6 && gate->family == 1);
    cr_assert(near(row->worse, 0.0098360655737704927) && near(row->raw.se, 0.0022393406700384312));
    cr_assert(near(row->p_worse, 0.036785892542423419), "%.17g", row->p_worse);
    cr_assert(near(row->p_not_worse, 0.96321410745757663) && row->p_holm == row->p_worse);
    cr_assert(near(row->detectable, 0.0059666037430972443 + 0.0052459016393442623), "%.17g", row->detectable);
    cr_assert(near(row->margin, 0.05 * 64 / 610));
    cr_assert_verdict(row, QB_GATE_FAIL, "worse by more than the margin");
    done(sides, gate, rules);
}

/* The same difference among three tests is no longer red: the family counts. */
Test(gate_tests, family)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = gate_of(sides, a, b, w, 6, false, rules);
    qb_gate_free(gate);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            double c[6];
            for (int g = 0; g < 6; g++)
                c[g] = a[g] + (i ? (g % 2 ? 0.01 : -0.01) : 0);
            struct qb_baseline_cell *cell = case_cell(sides[i], "m", k ? "y" : "x", "teacher-forced");
            case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, c, w, 6);
        }
    gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "kl_mean");
    cr_assert_eq(gate->family, 3);
    cr_assert(near(row->p_holm, 3 * 0.036785892542423419));
    cr_assert(near(row->detectable, 0.0077896944110243957 + 0.0052459016393442623), "%.17g", row->detectable);
    cr_assert_verdict(row, QB_GATE_INCONCLUSIVE, "neither");
    cr_assert_verdict(case_row(gate, "x", "kl_mean"), QB_GATE_PASS, "not worse");
    done(sides, gate, rules);
}

Test(gate_tests, unpaired)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = gate_of(sides, a, b, w, 6, true, rules);
    const struct qb_gate_row *row = case_row(gate, "v", "kl_mean");
    cr_assert_not(row->paired);
    cr_assert(near(row->test.se, 0.0092511820901238374) && near(row->test.df, 9.4272978243276278));
    cr_assert(near(row->p_worse, 0.31556845456267751) && near(row->p_not_worse, 0.68443154543732243));
    cr_assert_verdict(row, QB_GATE_INCONCLUSIVE, "neither");
    done(sides, gate, rules);
}

/* Higher is better: a lower value is worse, told in points. */
Test(gate_tests, share)
{
    static const double full[] = {20, 20, 20, 20, 20, 20}, hits[] = {19, 20, 18, 20, 17, 19},
                        of[] = {20, 20, 20, 20, 20, 20};
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        case_sample(
            case_metric(case_cell(sides[i], "m", "v", "teacher-forced"), "top1_agreement", "%", QB_HIGHER_IS_BETTER, 0),
            QB_PERCENT, i ? hits : full, of, 6);
    }
    struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "top1_agreement");
    cr_assert(near(row->worse, 100.0 * 7 / 120) && near(row->margin, 0.5));
    cr_assert_str_eq(row->worse_unit, "points");
    cr_assert(row->lo < row->worse && row->worse < row->hi);
    cr_assert_verdict(row, QB_GATE_FAIL, "worse");
    qb_gate_free(gate);
    gate = case_gate(sides[0], sides[1], rules, false);
    row = case_row(gate, "v", "top1_agreement");
    cr_assert(near(row->worse, -100.0 * 7 / 120));
    cr_assert_verdict(row, QB_GATE_PASS, "not worse");
    done(sides, gate, rules);
}

/* 120 hits of 120 on either side, but of other texts: what was not seen may still be there. */
Test(gate_tests, share_without_spread)
{
    static const double full[] = {20, 20, 20, 20, 20, 20};
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        struct qb_baseline_cell *cell = case_cell(sides[i], "m", "v", "teacher-forced");
        case_sample(case_metric(cell, "top1_agreement", "%", QB_HIGHER_IS_BETTER, 0), QB_PERCENT, full, full, 6);
        if (i)
            case_hash(cell->inputs, 'f');
    }
    struct qb_gate *gate = case_gate(sides[1], sides[0], rules, true);
    const struct qb_gate_row *row = case_row(gate, "v", "top1_agreement");
    cr_assert(near(row->raw.se, 0.030047198044434134), "%.17g", row->raw.se);
    cr_assert(near(row->p_worse, 0.56282087655054602) && near(row->p_not_worse, 0.43717912344945403));
    cr_assert_verdict(row, QB_GATE_INCONCLUSIVE, "neither");
    qb_gate_free(gate);
    for (int i = 0; i < 2; i++) { /* no codec recorded: what the variant is, is not known */
        qb_free(sides[i]->cells[0].codecs[0].id);
        qb_free(sides[i]->cells[0].codecs[0].version);
        sides[i]->cells[0].codec_count = 0;
    }
    gate = case_gate(sides[1], sides[0], rules, true);
    cr_assert_verdict(case_row(gate, "v", "top1_agreement"), QB_GATE_INCONCLUSIVE, "neither");
    qb_gate_free(gate);
    /* a variant that encodes nothing is the reference itself */
    for (int i = 0; i < 2; i++)
        sides[i]->cells[0].floor = QB_FLOOR_IDENTITY;
    gate = case_gate(sides[1], sides[0], rules, true);
    cr_assert_verdict(case_row(gate, "v", "top1_agreement"), QB_GATE_PASS, "the reference itself");
    done(sides, gate, rules);
}

/* exp of a mean: told in percent of the baseline, the margin on the same scale. */
Test(gate_tests, exponential)
{
    static const double then[] = {0.10, 0.12, 0.11, 0.09, 0.10}, now[] = {0.13, 0.15, 0.145, 0.118, 0.132};
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        case_sample(case_metric(case_cell(sides[i], "m", "v", "teacher-forced"), "perplexity_ratio", "ratio",
                                QB_LOWER_IS_BETTER, 0),
                    QB_EXP, i ? now : then, NULL, 5);
    }
    struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "perplexity_ratio");
    cr_assert(near(row->worse, 100 * (exp(0.031) - 1)), "%.17g", row->worse);
    cr_assert(near(row->margin, 0.5));
    cr_assert_str_eq(row->worse_unit, "%");
    cr_assert_verdict(row, QB_GATE_FAIL, "worse");
    done(sides, gate, rules);
}

/* A perplexity ratio of exp(900) is no double, but its logarithm is: the test goes on. */
Test(gate_tests, overflowing_exponential)
{
    static const double then[] = {900, 901, 902, 899, 900}, now[] = {905, 906, 907, 904, 905.5};
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        struct qb_baseline_metric *m = case_metric(case_cell(sides[i], "m", "v", "teacher-forced"), "perplexity_ratio",
                                                   "ratio", QB_LOWER_IS_BETTER, 0);
        case_sample(m, QB_EXP, i ? now : then, NULL, 5);
        m->flags = QB_FLAG_NONFINITE; /* as the registry flags it */
        cr_assert(isinf(m->value));
    }
    struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "perplexity_ratio"), QB_GATE_FAIL, "worse by more than the margin");
    qb_gate_free(gate);
    gate = case_gate(sides[0], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "perplexity_ratio"), QB_GATE_PASS, "identical");
    qb_gate_free(gate);
    qb_sample_free(&sides[1]->cells[0].metrics[0].sample); /* NaN in a chunk leaves no totals */
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "perplexity_ratio"), QB_GATE_INCONCLUSIVE, "nor is this one");
    qb_gate_free(gate);
    sides[0]->cells[0].metrics[0].value = 2;
    sides[0]->cells[0].metrics[0].flags = 0;
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "perplexity_ratio"), QB_GATE_FAIL, "not finite");
    done(sides, gate, rules);
}

Test(gate_tests, too_little_data)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = gate_of(sides, a, b, w, 4, false, rules);
    cr_assert_verdict(case_row(gate, "v", "kl_mean"), QB_GATE_INCONCLUSIVE, "too little data: 4 clusters, 5");
    cr_assert_eq(gate->family, 0);
    done(sides, gate, rules);
    rules = case_rules();
    gate = gate_of(sides, a, a, w, 1, false, rules);
    cr_assert_verdict(case_row(gate, "v", "kl_mean"), QB_GATE_PASS, "identical");
    done(sides, gate, rules);
    rules = case_rules();
    gate = gate_of(sides, a, a, w, 4, true, rules); /* equal totals of other inputs prove nothing */
    cr_assert_verdict(case_row(gate, "v", "kl_mean"), QB_GATE_INCONCLUSIVE, "too little data");
    done(sides, gate, rules);
}

/* No difference within what FP32 arithmetic in another order costs is red. */
Test(gate_tests, arithmetic_floor)
{
    static const double then[] = {1e-13, 1e-13, 1e-13, 1e-13, 1e-13}, now[] = {3e-13, 3.1e-13, 3e-13, 3.2e-13, 3e-13};
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = gate_of(sides, then, now, NULL, 5, false, rules);
    cr_assert_verdict(case_row(gate, "v", "kl_mean"), QB_GATE_FAIL, "worse");
    qb_gate_free(gate);
    case_metric(case_cell(sides[0], "m", "w", "teacher-forced"), "kl_mean", "nat", QB_LOWER_IS_BETTER, 4e-13);
    case_set(&sides[0]->cells[1].variant, "fp32-reordered"); /* a name alone is no floor */
    qb_baseline_sort(sides[0]);
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "kl_mean"), QB_GATE_FAIL, "worse");
    qb_gate_free(gate);
    struct qb_baseline_cell *floor = &sides[0]->cells[strcmp(sides[0]->cells[0].variant, "v") == 0];
    floor->floor = QB_FLOOR_ARITHMETIC;
    case_set(&floor->variant, "a");
    qb_baseline_sort(sides[0]);
    gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "kl_mean");
    cr_assert(near(row->margin, 4e-13));
    cr_assert_verdict(row, QB_GATE_PASS, "not worse");
    done(sides, gate, rules);
}

/* One kl_mean on both sides, degenerate where the flags say so; totals of the sides as given. */
static struct qb_gate *degenerate_gate(struct qb_baseline *sides[2], const double *now, const uint32_t flags[2],
                                       bool fresh, struct qb_gate_rules *rules)
{
    qb_gate_free(gate_of(sides, a, now, w, 6, fresh, rules));
    for (int i = 0; i < 2; i++)
        sides[i]->cells[0].metrics[0].flags = flags[i];
    return case_gate(sides[1], sides[0], rules, fresh);
}

/* On the same inputs the reference's arm is the same, so a value that was sound and is void now is the variant's
 * collapse, whatever number it left. On fresh inputs the reference may be what collapsed. */
Test(gate_tests, degenerate)
{
    enum { SOUND, VOID = QB_FLAG_DEGENERATE };
    static const struct {
        uint32_t flags[2];
        bool moved, fresh;
        enum qb_gate_verdict verdict;
        const char *part;
    } cases[] = {
        {{SOUND, VOID}, true, false, QB_GATE_FAIL, "collapsed: sound in the baseline, degenerate now"},
        {{SOUND, VOID}, false, false, QB_GATE_FAIL, "collapsed"},
        {{SOUND, VOID}, true, true, QB_GATE_INCONCLUSIVE, "degenerate"},
        {{VOID, SOUND}, true, false, QB_GATE_INCONCLUSIVE, "degenerate"},
        {{VOID, VOID}, true, false, QB_GATE_INCONCLUSIVE, "degenerate"},
        {{VOID, VOID}, false, false, QB_GATE_PASS, "degenerate: says little"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_baseline *sides[2];
        struct qb_gate_rules *rules = case_rules();
        struct qb_gate *gate = degenerate_gate(sides, cases[i].moved ? b : a, cases[i].flags, cases[i].fresh, rules);
        cr_assert_verdict(case_row(gate, "v", "kl_mean"), cases[i].verdict, cases[i].part);
        done(sides, gate, rules);
    }
}

/* The other order of sums moves a logit by 0.5 in the result and the reference's margins are 0.1: the flag is the
 * machine's doing, so nothing is said of the variant; by 0.05 it cannot be. */
Test(gate_tests, choices_that_rounding_turns_are_no_collapse)
{
    for (int k = 0; k < 2; k++) {
        struct qb_baseline *sides[2];
        struct qb_gate_rules *rules = NULL;
        struct qb_error err = {0};
        static const char text[] = "rules: [{experiment: greedy, metric: match_rate, test: non-inferiority, "
                                   "margin: {absolute: 5}}]\n";
        cr_assert_eq(qb_gate_rules_parse(text, strlen(text), "rules.yaml", &rules, &err), QB_OK, "%s", err.message);
        for (int i = 0; i < 2; i++) {
            sides[i] = case_new();
            struct qb_baseline_cell *cell = case_cell(sides[i], "m", "v", "greedy");
            struct qb_baseline_metric *rate = case_metric(cell, "match_rate", "%", QB_HIGHER_IS_BETTER, 0);
            case_sample(rate, QB_PERCENT, i ? (double[]){1, 2, 1, 3, 1, 2} : a, w, 6);
            rate->flags = i ? QB_FLAG_DEGENERATE : 0;
            case_metric(cell, "reference_margin_median", "logit", QB_NEUTRAL, 0.1);
            struct qb_baseline_cell *floor = case_cell(sides[i], "m", "z", "teacher-forced");
            case_metric(floor, "max_logit_diff", "logit", QB_LOWER_IS_BETTER, i && !k ? 0.5 : 0.05);
            floor->floor = QB_FLOOR_ARITHMETIC;
            qb_baseline_sort(sides[i]);
        }
        struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
        cr_assert_verdict(case_row(gate, "v", "match_rate"), k ? QB_GATE_FAIL : QB_GATE_INCONCLUSIVE,
                          k ? "collapsed" : "degenerate");
        done(sides, gate, rules);
    }
}

/* ---- nothing sampled ---- */

static const struct qb_gate_row *exact(struct qb_baseline *sides[2], struct qb_gate **gate, const char *experiment,
                                       const char *metric, enum qb_direction better, double then, double now,
                                       struct qb_gate_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        case_metric(case_cell(sides[i], "m", "v", experiment), metric, "1", better, i ? now : then);
    }
    *gate = case_gate(sides[1], sides[0], rules, false);
    return case_row(*gate, "v", metric);
}

static struct qb_gate *absence(struct qb_baseline *sides[2], bool then, bool now, struct qb_gate_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        struct qb_baseline_metric *m =
            case_metric(case_cell(sides[i], "m", "v", "memory"), "published_formula_bytes", "bytes", QB_NEUTRAL, 1000);
        if (i ? !now : !then) {
            m->value = NAN;
            m->flags = QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL;
        }
    }
    return case_gate(sides[1], sides[0], rules, false);
}

Test(gate_tests, a_value_that_is_absent_is_not_one_that_is_nan)
{
    static const struct {
        bool then, now;
        enum qb_gate_verdict verdict;
        const char *part;
    } cases[] = {{false, false, QB_GATE_PASS, "no value, as in the baseline"},
                 {true, false, QB_GATE_FAIL, "the result has no value"},
                 {false, true, QB_GATE_NEW, "the baseline has no value"},
                 {true, true, QB_GATE_PASS, "identical"}};
    for (size_t i = 0; i < 4; i++) {
        struct qb_baseline *sides[2];
        struct qb_gate_rules *rules = case_rules();
        struct qb_gate *gate = absence(sides, cases[i].then, cases[i].now, rules);
        const struct qb_gate_row *row = case_row(gate, "v", "published_formula_bytes");
        cr_assert_verdict(row, cases[i].verdict, cases[i].part);
        cr_assert(row->has_baseline == cases[i].then && row->has_value == cases[i].now);
        done(sides, gate, rules);
    }
}

/* Bounds that a row prints are those of its verdict: over the margin where it fails, under it where it passes, across
 * it where it is open. Five clusters, differences d + spread * {-2..2}: se = spread / sqrt 2, df 4; margin 5% of 2. */
Test(gate_tests, bounds_never_contradict_the_verdict)
{
    for (int k = 0; k <= 60; k++) {
        struct qb_baseline *sides[2];
        struct qb_gate_rules *rules = case_rules();
        double then[5], now[5];
        for (int i = 0; i < 5; i++) {
            then[i] = 2 + 0.05 * (i * i % 3);
            now[i] = then[i] + 0.005 * k + 0.03 * (i - 2);
        }
        for (int i = 0; i < 2; i++) {
            sides[i] = case_new();
            for (int v = 0; v < 3; v++) { /* a family of three, one of them clearly worse: Holm's levels differ */
                struct qb_baseline_metric *m =
                    case_metric(case_cell(sides[i], "m", (const char *const[]){"v", "w", "x"}[v], "teacher-forced"),
                                "kl_mean", "nat", QB_LOWER_IS_BETTER, 0);
                double moved[5];
                for (int g = 0; g < 5; g++)
                    moved[g] = now[g] + (v == 1 ? 1 : v == 2 ? -0.03 : 0);
                case_sample(m, QB_AS_IS, i ? moved : then, NULL, 5);
            }
        }
        struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
        for (size_t r = 0; r < gate->count; r++) {
            const struct qb_gate_row *row = &gate->rows[r];
            if (!row->tested)
                continue;
            cr_assert(row->lo <= row->worse && row->worse <= row->hi);
            cr_assert_float_eq(row->hi_level, 0.95, 1e-12);
            cr_assert(row->lo_level >= 0.95 - 1e-12 && row->lo_level <= 1 - 0.05 / 3 + 1e-12, "%g", row->lo_level);
            cr_assert_eq(row->lo > row->margin, row->verdict == QB_GATE_FAIL, "%s: %g in [%g, %g], margin %g",
                         row->reason, row->worse, row->lo, row->hi, row->margin);
            cr_assert_eq(row->hi < row->margin, row->verdict == QB_GATE_PASS, "%s: [%g, %g], margin %g", row->reason,
                         row->lo, row->hi, row->margin);
        }
        done(sides, gate, rules);
    }
}

/* Every chunk moved by the same step: no spread, so no chance is known that a test could weigh. */
Test(gate_tests, no_spread_is_inconclusive)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    for (int i = 0; i < 2; i++) {
        double sum[6];
        for (int g = 0; g < 6; g++)
            sum[g] = g + 1 + (i ? 4 : 0); /* far over the margin */
        sides[i] = case_new();
        case_sample(
            case_metric(case_cell(sides[i], "m", "v", "teacher-forced"), "kl_mean", "nat", QB_LOWER_IS_BETTER, 0),
            QB_AS_IS, sum, NULL, 6);
    }
    struct qb_gate *gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "kl_mean");
    cr_assert_verdict(row, QB_GATE_INCONCLUSIVE, "no spread between 6 clusters");
    cr_assert(isnan(row->lo) && isnan(row->hi) && isnan(row->lo_level));
    done(sides, gate, rules);
}

Test(gate_tests, exact_and_identical)
{
    static const struct {
        const char *experiment, *metric;
        enum qb_direction better;
        double then, now;
        enum qb_gate_verdict verdict;
        const char *part;
    } cases[] = {
        {"memory", "weight_bytes", QB_LOWER_IS_BETTER, 1000, 1000, QB_GATE_PASS, "identical"},
        {"memory", "weight_bytes", QB_LOWER_IS_BETTER, 1000, 1001, QB_GATE_FAIL, "changed"}, /* one byte more */
        {"memory", "weight_bytes", QB_LOWER_IS_BETTER, 1000, 999, QB_GATE_FAIL, "changed"},
        {"memory", "published_formula_bytes", QB_NEUTRAL, 5, 5, QB_GATE_PASS, "identical"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, 35.418, 35.409, QB_GATE_PASS, "no more than the margin"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, 35.418, 35.407, QB_GATE_FAIL, "more than the margin"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, 35.418, 36, QB_GATE_PASS, "better"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, 35.418, NAN, QB_GATE_FAIL, "not finite"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, 35.418, INFINITY, QB_GATE_PASS, "better"}, /* lossy -> exact */
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, INFINITY, 35.418, QB_GATE_FAIL, "the baseline is infinite"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, INFINITY, 1e300, QB_GATE_FAIL, "the baseline is infinite"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, INFINITY, INFINITY, QB_GATE_PASS, "identical"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, INFINITY, -INFINITY, QB_GATE_FAIL, "worse"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, INFINITY, NAN, QB_GATE_FAIL, "not finite"},
        {"memory", "weight_bits", QB_LOWER_IS_BETTER, INFINITY, 8, QB_GATE_FAIL, "changed"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, NAN, 35, QB_GATE_INCONCLUSIVE, "baseline's value is not finite"},
        {"roundtrip", "sqnr_db", QB_HIGHER_IS_BETTER, NAN, NAN, QB_GATE_INCONCLUSIVE, "nor is this one"},
        {"roundtrip", "sqnr_db", QB_NEUTRAL, 35, 35, QB_GATE_INCONCLUSIVE, "the rule has to say"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_baseline *sides[2];
        struct qb_gate *gate;
        struct qb_gate_rules *rules = case_rules();
        const struct qb_gate_row *row = exact(sides, &gate, cases[i].experiment, cases[i].metric, cases[i].better,
                                              cases[i].then, cases[i].now, rules);
        cr_assert_verdict(row, cases[i].verdict, cases[i].part);
        cr_assert(isnan(cases[i].then) || isnan(cases[i].now) || cases[i].better == QB_NEUTRAL || isfinite(row->margin),
                  "case %zu: no share of infinite is a margin", i);
        done(sides, gate, rules);
    }
}

/* ---- speed ---- */

static const struct qb_baseline_run runs[] = {{0.50, 0.495, 0.505}, {0.51, 0.504, 0.515}, {0.495, 0.49, 0.501}};

static struct qb_gate *speed(struct qb_baseline *sides[2], size_t count, struct qb_baseline_run now,
                             struct qb_gate_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        sides[i] = case_new();
        struct qb_baseline_metric *m = case_metric(case_cell(sides[i], "m", "v", "speed"),
                                                   "weight_decode_lookup_fraction", "ratio", QB_HIGHER_IS_BETTER, 0);
        case_runs(m, i ? &now : runs, i ? 1 : count);
    }
    return case_gate(sides[1], sides[0], rules, false);
}

Test(gate_tests, ratio)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = speed(sides, 3, (struct qb_baseline_run){0.42, 0.416, 0.425}, rules);
    const struct qb_gate_row *row = case_row(gate, "v", "weight_decode_lookup_fraction");
    cr_assert(near(row->raw.value, 0.17760415095900384) && near(row->raw.se, 0.017539496428953933), "%.17g",
              row->raw.se);
    cr_assert(row->raw.df == 10 && near(row->p_worse, 6.6465166728926026e-06), "%.17g", row->p_worse);
    cr_assert(near(row->worse, 100 * expm1(0.17760415095900384)) && near(row->margin, 4));
    cr_assert_verdict(row, QB_GATE_FAIL, "worse");
    done(sides, gate, rules);
}

Test(gate_tests, ratio_that_says_nothing)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = speed(sides, 1, runs[0], rules);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_PASS, "the baseline is this run");
    done(sides, gate, rules);
    rules = case_rules();
    gate = speed(sides, 3, (struct qb_baseline_run){0.42, NAN, NAN}, rules);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE, "too little data");
    qb_gate_free(gate);
    case_set(&sides[1]->cpu, "another processor");
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE,
                      "other machine: processor 'another processor'");
    done(sides, gate, rules);
    rules = case_rules();
    gate = speed(sides, 3, (struct qb_baseline_run){0, 0.1, 0.2}, rules);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE, "too little data");
    done(sides, gate, rules);
    /* 20% slower, but repeats that scatter by more than the margin show nothing */
    rules = case_rules();
    gate = speed(sides, 1, (struct qb_baseline_run){0.42, 0.3, 0.6}, rules);
    cr_assert_verdict(
        case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE,
        "too noisy to time against fewer than 3 baseline runs: repeats place the ratio within +-41.4%"); /* sqrt(2) - 1
                                                                                                          */
    done(sides, gate, rules);
    rules = case_rules();
    gate = speed(sides, 3, (struct qb_baseline_run){0.42, 0.3, 0.6}, rules);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE, "neither shown");
    done(sides, gate, rules);
    /* repeats that scatter by 3.5%: they are the least spread that is reckoned with */
    rules = case_rules();
    gate = speed(sides, 1, (struct qb_baseline_run){0.42, 0.42 / 1.035, 0.42 * 1.035}, rules);
    cr_assert(near(case_row(gate, "v", "weight_decode_lookup_fraction")->raw.se,
                   hypot(log(1.035) / 1.959963984540054, 0.015)));
    done(sides, gate, rules);
}

/* Neither a better ratio nor the same one passes where FP32 was not as fast as FP32. */
Test(gate_tests, a_biased_ratio_never_passes)
{
    struct qb_baseline *sides[2];
    for (int side = 0; side < 2; side++) {
        struct qb_gate_rules *rules = case_rules();
        struct qb_gate *gate = speed(sides, 1, runs[0], rules);
        qb_gate_free(gate);
        sides[side]->cells[0].metrics[0].flags = QB_FLAG_BIASED;
        gate = case_gate(sides[1], sides[0], rules, false);
        cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE,
                          side ? "biased: FP32 over FP32 was not 1 in the same cell" : "cell of the baseline");
        done(sides, gate, rules);
    }
}

/* A biased run of a baseline has no interval: it is left out where there are others, by hand: with the first two runs
 * alone the change is log((0.50 * 0.51)^(1/2) / 0.42). */
Test(gate_tests, a_biased_run_of_a_baseline_is_left_out)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = speed(sides, 3, (struct qb_baseline_run){0.42, 0.416, 0.425}, rules);
    qb_gate_free(gate);
    sides[0]->cells[0].metrics[0].runs[2] = (struct qb_baseline_run){0.9, NAN, NAN};
    gate = case_gate(sides[1], sides[0], rules, false);
    const struct qb_gate_row *row = case_row(gate, "v", "weight_decode_lookup_fraction");
    cr_assert_float_eq(row->raw.value, log(sqrt(0.50 * 0.51) / 0.42), 1e-12);
    cr_assert_verdict(row, QB_GATE_FAIL, "worse");
    done(sides, gate, rules);
}

Test(gate_tests, timed_cells_of_several_machines_compare_with_nothing)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = speed(sides, 3, (struct qb_baseline_run){0.5, 0.495, 0.505}, rules);
    qb_gate_free(gate);
    sides[1]->mixed = case_text("threads '1' in m/v, '2' in m/w");
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE,
                      "several machines in the result: threads '1' in m/v, '2' in m/w");
    qb_gate_free(gate);
    qb_free(sides[1]->mixed);
    sides[1]->mixed = NULL;
    case_set(&sides[0]->blas_core, "Haswell");
    case_set(&sides[1]->blas_core, "SkylakeX");
    gate = case_gate(sides[1], sides[0], rules, false);
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_INCONCLUSIVE,
                      "BLAS core 'SkylakeX'");
    qb_gate_free(gate);
    case_set(&sides[0]->blas_core, "");
    gate = case_gate(sides[1], sides[0], rules, false); /* an older program's baseline does not say */
    cr_assert(case_row(gate, "v", "weight_decode_lookup_fraction")->tested);
    done(sides, gate, rules);
}

/* ---- ceilings ---- */

/* A speed cell of three runs against one, the ceiling sgemm_gflops beside the ratio prefill_overhead. */
static struct qb_gate *under_ceiling(struct qb_baseline *sides[2], const double then[3], double now,
                                     const struct qb_baseline_run ratios[3], double slower, struct qb_gate_rules *rules)
{
    for (int i = 0; i < 2; i++) {
        struct qb_baseline_run flops[3], times[3];
        size_t count = i ? 1 : 3;
        sides[i] = case_new();
        struct qb_baseline_cell *cell = case_cell(sides[i], "m", "v", "speed");
        for (size_t k = 0; k < count; k++) {
            double rate = i ? now : then[k], factor = i ? slower : 1;
            flops[k] = (struct qb_baseline_run){rate, 0.99 * rate, 1.01 * rate};
            times[k] = (struct qb_baseline_run){factor * ratios[k].value, factor * ratios[k].lo, factor * ratios[k].hi};
        }
        case_runs(case_metric(cell, "prefill_overhead", "ratio", QB_LOWER_IS_BETTER, 0), times, count);
        case_runs(case_metric(cell, "weight_decode_lookup_fraction", "ratio", QB_HIGHER_IS_BETTER, 0), runs, count);
        case_runs(case_metric(cell, "sgemm_gflops", "GFLOP/s", QB_NEUTRAL, 0), flops, count);
    }
    return case_gate(sides[1], sides[0], rules, false);
}

Test(gate_tests, a_throttled_machine_is_no_slower_kernel)
{
    struct qb_baseline *sides[2];
    struct qb_gate_rules *rules = case_rules();
    const double steady[3] = {90, 91, 89};
    struct qb_gate *gate = under_ceiling(sides, steady, 58, runs, 1.3, rules);
    cr_assert_verdict(case_row(gate, "v", "sgemm_gflops"), QB_GATE_INCONCLUSIVE, "disturbed machine: 64%");
    cr_assert_verdict(case_row(gate, "v", "prefill_overhead"), QB_GATE_INCONCLUSIVE,
                      "disturbed machine: sgemm_gflops is at 64% of the baseline's");
    /* whose rule stands before the ceiling's: its own yardstick moves with it */
    cr_assert_verdict(case_row(gate, "v", "weight_decode_lookup_fraction"), QB_GATE_PASS, "");
    done(sides, gate, rules);
    rules = case_rules();
    gate = under_ceiling(sides, steady, 92, runs, 1.3, rules);
    cr_assert_verdict(case_row(gate, "v", "sgemm_gflops"), QB_GATE_PASS, "as fast as it was");
    cr_assert_verdict(case_row(gate, "v", "prefill_overhead"), QB_GATE_FAIL, "worse");
    done(sides, gate, rules);
}

/* The run at 58 GFLOP/s took twice the ratio: with it the spread hides a slowdown of 30%, without it none is left. */
Test(gate_tests, a_throttled_run_of_the_baseline_is_left_out)
{
    struct qb_baseline *sides[2];
    static const struct qb_baseline_run odd[] = {{0.50, 0.495, 0.505}, {1.0, 0.99, 1.01}, {0.495, 0.49, 0.501}};
    const double throttled[3] = {90, 58, 89}, even[3] = {90, 91, 89};
    struct qb_gate_rules *rules = case_rules();
    struct qb_gate *gate = under_ceiling(sides, throttled, 90, odd, 1.3, rules);
    cr_assert_verdict(case_row(gate, "v", "prefill_overhead"), QB_GATE_FAIL, "worse");
    done(sides, gate, rules);
    rules = case_rules();
    gate = under_ceiling(sides, even, 90, odd, 1.3, rules);
    cr_assert_verdict(case_row(gate, "v", "prefill_overhead"), QB_GATE_INCONCLUSIVE, "neither shown");
    done(sides, gate, rules);
}
