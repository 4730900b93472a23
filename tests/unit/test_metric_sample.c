/* From a record to totals to a value with its interval: what every mean over clusters goes through. */
#include <stdio.h>
#include "metric/parts.h"
#include "metric_case.h"

/* Six positions in three chunks of 3, 1 and 2. */
static const int32_t ids[] = {4, 4, 4, 2, 9, 9};

static struct qb_sample fill(struct qb_sample spec, const double *x, const uint8_t *keep)
{
    cr_assert(qb_sample_fill(&spec, x, ids, keep, 6));
    return spec;
}

static const struct qb_sample real = {.kind = QB_KIND_REAL, .unit = "chunks"};
static const struct qb_sample share = {.kind = QB_KIND_SHARE, .transform = QB_PERCENT, .icc = 0.25, .unit = "chunks"};

Test(sample, totals_by_cluster)
{
    struct qb_sample s = fill(real, (double[]){1, 2, 3, 10, 20, 30}, NULL);
    cr_assert(s.clusters == 3 && s.n == 6);
    cr_assert(s.sum[0] == 6 && s.sum[1] == 10 && s.sum[2] == 50);
    cr_assert(s.weight[0] == 3 && s.weight[1] == 1 && s.weight[2] == 2);
    qb_sample_free(&s);
    cr_assert(!s.sum && !s.weight && s.clusters == 0);
    qb_sample_free(&s);
}

Test(sample, clusters_that_nothing_is_left_in_drop_out)
{
    struct qb_sample s = fill(real, (double[]){1, 2, 3, 10, 20, 30}, (uint8_t[]){0, 1, 0, 0, 0, 1}), none = real;
    cr_assert(s.clusters == 2 && s.n == 2 && s.sum[0] == 2 && s.sum[1] == 30 && s.weight[1] == 1);
    qb_sample_free(&s);
    cr_assert_not(qb_sample_fill(&none, (double[6]){0}, ids, (uint8_t[6]){0}, 6));
    cr_assert_not(qb_sample_fill(&none, NULL, NULL, NULL, 0));
    cr_assert_null(none.sum);
}

Test(sample, memory_that_runs_out_is_no_missing_metric)
{
    for (size_t n = 1; n <= 2; n++) {
        struct qb_value value = {.value = 1};
        qb_mem_fail_at(n);
        struct qb_sample s = fill(real, (double[6]){1}, NULL);
        qb_mem_fail_at(0);
        cr_assert(!s.sum && s.clusters == 0);
        qb_sample_value(&s, NAN, &value);
        cr_assert(isnan(value.value) && (value.flags & QB_FLAG_NO_INTERVAL));
        cr_assert_not_null(strstr(value.note, "memory"));
        qb_sample_free(&s);
    }
}

Test(sample, transforms)
{
    cr_assert_eq(qb_transform(QB_AS_IS, -2), -2);
    cr_assert_eq(qb_transform(QB_PERCENT, 0.5), 50);
    cr_assert_eq(qb_transform(QB_EXP, 0), 1);
    cr_assert_float_eq(qb_transform(QB_EXP, 1), 2.718281828459045, 1e-15);
}

static struct qb_value value_of(struct qb_sample spec, const double *x, double identity)
{
    struct qb_value value = {.value = NAN, .lo = NAN, .hi = NAN};
    struct qb_sample s = fill(spec, x, NULL);
    cr_assert(qb_sample_value(&s, identity, &value));
    qb_sample_free(&s);
    return value;
}

Test(sample, interval_is_the_statistics_interval_transformed)
{
    const double x[] = {0.1, 0.2, 0.3, 0.5, 0.2, 0.1};
    struct qb_clusters totals = {(double[]){x[0] + x[1] + x[2], x[3], x[4] + x[5]}, (double[]){3, 1, 2}, 3};
    struct qb_interval want;
    cr_assert(qb_mean_interval(&totals, QB_KIND_REAL, qb_interval_method_for(QB_KIND_REAL, 3), 0.95, 0, &want));
    struct qb_sample spec = real;
    spec.transform = QB_EXP;
    struct qb_value value = value_of(spec, x, 1);
    cr_assert_float_eq(value.value, exp(1.4 / 6), 1e-14);
    cr_assert_float_eq(value.lo, exp(want.lo), 1e-14);
    cr_assert_float_eq(value.hi, exp(want.hi), 1e-14);
    cr_assert(value.n == 6 && value.flags == 0);
    cr_assert_not_null(strstr(value.note, "over 3 chunks"), "%s", value.note);
    cr_assert_not_null(strstr(value.note, qb_interval_method_name(want.method)), "%s", value.note);
    cr_assert(want.lo < 0 && value_of(real, x, NAN).lo == want.lo);
    spec = real;
    spec.nonnegative = true;
    cr_assert_eq(value_of(spec, x, NAN).lo, 0);
}

Test(sample, zero_everywhere_is_exact_only_where_it_means_identical)
{
    const double zero[6] = {0}, one_off[] = {0, 0, 0, 0, 0, 1e-300};
    struct qb_value value = value_of(real, zero, 0);
    cr_assert(value.value == 0 && value.lo == 0 && value.hi == 0 && value.flags == 0);
    cr_assert_str_eq(value.note, "exactly 0 at each of 6 positions");
    struct qb_sample spec = real;
    spec.transform = QB_EXP;
    value = value_of(spec, zero, 1);
    cr_assert(value.value == 1 && value.lo == 1 && value.hi == 1);
    value = value_of(real, zero, NAN);
    cr_assert(value.value == 0 && value.flags == QB_FLAG_NO_INTERVAL, "no spread, and no reason for it");
    value = value_of(real, one_off, 0);
    cr_assert_null(strstr(value.note, "exactly"));
    value = value_of(share, zero, 0);
    cr_assert(value.hi > 10 && value.lo == 0, "no hit in 6 positions is no proof: %g", value.hi);
}

/* Clusters of 3, 1 and 2: an entry sees 14/6 others on average, so 6 / (1 + (14/6 - 1) / 4) = 4.5 observations; Wilson
 * of 0 in n is [0, z^2 / (n + z^2)]. */
Test(sample, share_without_spread_says_what_it_assumes)
{
    const double z2 = 1.959963984540054 * 1.959963984540054;
    struct qb_value value = value_of(share, (double[6]){0}, 0);
    cr_assert_float_eq(value.hi, 100 * z2 / (4.5 + z2), 1e-9, "%.15g", value.hi);
    cr_assert_not_null(strstr(value.note, "assumes an intra-chunk correlation of at most 0.25"), "%s", value.note);
    struct qb_sample spec = share;
    spec.icc = 1;
    value = value_of(spec, (double[]){1, 1, 1, 1, 1, 1}, 100);
    cr_assert_float_eq(value.lo, 100 - 100 * z2 / (18.0 / 7 + z2), 1e-9, "6 / (14/6) observations: %.15g", value.lo);
    cr_assert(value.hi == 100 && strstr(value.note, "no spread: a chunk counts once"), "%s", value.note);
    value = value_of(spec, (double[]){1, 0, 1, 1, 1, 1}, 100);
    cr_assert_null(strstr(value.note, "counts once"), "there is a spread: %s", value.note);
}

Test(sample, nan_inf_and_a_single_cluster_have_no_interval)
{
    struct qb_value value = value_of(real, (double[]){1, NAN, 3, 4, 5, 6}, 0);
    cr_assert(isnan(value.value) && value.flags == QB_FLAG_NO_INTERVAL && strstr(value.note, "NaN"));
    value = value_of(real, (double[]){1, INFINITY, 3, 4, 5, 6}, 0);
    cr_assert(isinf(value.value) && value.flags == QB_FLAG_NO_INTERVAL);
    struct qb_sample spec = share;
    value = (struct qb_value){0};
    cr_assert(qb_sample_fill(&spec, (double[]){1, 0, 1}, ids, NULL, 3));
    qb_sample_value(&spec, 100, &value);
    qb_sample_free(&spec);
    cr_assert_not_null(strstr(value.note, "one chunk"), "%s", value.note);
    value = value_of(real, (double[]){2, 2, 2, 2, 2, 2}, 0);
    cr_assert(value.value == 2 && value.flags == QB_FLAG_NO_INTERVAL && strstr(value.note, "no spread"));
}

/* What the coverage table says of this size stands in the note when it falls short. */
Test(sample, shortfall_of_coverage_is_said)
{
    for (size_t clusters = 2; clusters <= 160; clusters = clusters * 3 / 2 + 1) {
        double x[400];
        int32_t id[400];
        for (size_t i = 0; i < clusters; i++) {
            x[i] = (double)(i * i % 7);
            id[i] = (int32_t)i;
        }
        struct qb_sample s = real;
        struct qb_value value = {0};
        cr_assert(qb_sample_fill(&s, x, id, NULL, clusters));
        qb_sample_value(&s, NAN, &value);
        double known = qb_coverage_known(QB_KIND_REAL, qb_interval_method_for(QB_KIND_REAL, clusters), clusters);
        char want[64] = "is not known";
        if (!isnan(known))
            cr_expect_eq(value.covers, known < 94 ? known : 0);
        snprintf(want, sizeof want, "such intervals cover %.1f%% in simulation", known);
        cr_assert_eq(strstr(value.note, want) != NULL, !(known >= 94), "%zu: %s", clusters, value.note);
        qb_sample_free(&s);
    }
}

/* Calibrated on text that is evaluated: every value of the cell says so. */
Test(contamination, marks_every_value_of_the_cell)
{
    struct qb_error err = {0};
    static const char *const experiments[] = {"greedy", "teacher-forced"};
    for (int overlap = 0; overlap <= 2; overlap += 2)
        for (size_t e = 0; e < 2; e++) {
            struct qb_record record = {0};
            struct qb_value *values;
            size_t count;
            int32_t tokens[] = {1, 2, 3, 4};
            put(&record, "tokens", QB_I32, 2, 2, tokens);
            put(&record, "reference_tokens", QB_I32, 2, 2, tokens);
            put(&record, "kl", QB_F64, 4, 0, (double[]){1, 2, 3, 4});
            put(&record, "chunk", QB_I32, 4, 0, (int32_t[]){0, 0, 1, 1});
            cr_assert_eq(qb_record_i64(&record, "calibration_overlap", overlap, "1", "test", &err), QB_OK);
            struct qb_value found = must(experiments[e], &record, "calibration_overlap");
            cr_assert(found.value == overlap && strstr(found.note, "exact"));
            cr_assert_eq(qb_metrics_compute(experiments[e], &record, &values, &count, &err), QB_OK);
            cr_assert_gt(count, 4);
            for (size_t i = 0; i < count; i++) {
                cr_expect_eq((values[i].flags & QB_FLAG_CONTAMINATED) != 0, overlap > 0, "%s", values[i].metric);
                cr_expect_eq(strstr(values[i].note, "2 contexts") != NULL, overlap > 0, "%s", values[i].note);
            }
            qb_free(values);
            qb_record_free(&record);
        }
}
