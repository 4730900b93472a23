/* The shipped coverage table against the simulation that made it. */
#include <math.h>
#include <criterion/criterion.h>
#include "base/threads.h"
#include "metric/stats.h"

static struct qb_pool *pool;

static void begin(void)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_pool_create(2, &pool, &err), QB_OK);
}

static void end(void)
{
    qb_pool_free(pool);
}

TestSuite(coverage, .init = begin, .fini = end, .timeout = 600);

static const struct qb_coverage_row *row_of(enum qb_population population, size_t clusters)
{
    size_t rows;
    const struct qb_coverage_row *row = qb_coverage_table(&rows);
    for (size_t i = 0; i < rows; i++)
        if (row[i].population == population && row[i].clusters == clusters)
            return &row[i];
    cr_assert_fail("%s, %zu clusters: not in the table", qb_population_name(population), clusters);
    return NULL;
}

/* Whether a tabled coverage is what fewer trials gave, within four standard errors of theirs. */
static bool agrees(double tabled, double simulated, size_t trials)
{
    double p = tabled / 100;
    return fabs(tabled - simulated) <= 400 * sqrt(p * (1 - p) / (double)trials);
}

Test(coverage, table_has_every_size)
{
    static const size_t sizes[] = {5, 10, 20, 40, 80, 160};
    for (int p = 0; p < QB_POPULATIONS; p++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const struct qb_coverage_row *row = row_of((enum qb_population)p, sizes[s]);
            for (int m = 0; m < QB_METHODS; m++) {
                bool applies = m != QB_METHOD_WILSON || p == QB_POPULATION_SHARE;
                cr_expect(applies ? row->covered[m] > 50 && row->covered[m] < 100 : isnan(row->covered[m]));
            }
            cr_expect(row->iid > 20 && row->iid < 95);
        }
}

/* All 10^4 trials of the table again, to its last digit but one (a libm that rounds otherwise may move a trial or two).
 */
static void again(enum qb_population population, unsigned which)
{
    const struct qb_coverage_design design = {population, 5, 10000, QB_COVERAGE_ICC, which};
    const struct qb_coverage_row *row = row_of(population, design.clusters);
    const char *name = qb_population_name(population);
    struct qb_coverage methods[QB_METHODS], iid;
    cr_assert(qb_coverage_simulate(pool, &design, methods, &iid));
    cr_expect_float_eq(iid.covered, row->iid, 0.025, "iid of %s: %.2f, tabled %.2f", name, iid.covered, row->iid);
    for (int m = 0; m < QB_METHODS; m++) {
        if (!(which >> m & 1)) {
            cr_expect(isnan(methods[m].covered));
            continue;
        }
        cr_expect_float_eq(methods[m].covered, row->covered[m], 0.025, "%s %d: %.2f, tabled %.2f", name, m,
                           methods[m].covered, row->covered[m]);
        cr_expect_float_eq(methods[m].covered + methods[m].below + methods[m].above, 100, 1e-9);
    }
}

Test(coverage, cells_again)
{
    const unsigned t = 1u << QB_METHOD_CLUSTER_T;
    again(QB_POPULATION_NORMAL, t);
    again(QB_POPULATION_SKEWED, t);
    again(QB_POPULATION_HEAVY, t);
    again(QB_POPULATION_SHARE, t | 1u << QB_METHOD_WILSON);
}

/* With fewer trials; a wrong table is told from a right one. */
Test(coverage, bootstraps_within_monte_carlo_error)
{
    const struct qb_coverage_design design = {QB_POPULATION_SKEWED, 10, 600, QB_COVERAGE_ICC,
                                              1u << QB_METHOD_ENVELOPE_T | 1u << QB_METHOD_BCA};
    struct qb_coverage methods[QB_METHODS], iid;
    const struct qb_coverage_row *row = row_of(design.population, design.clusters);
    cr_assert(qb_coverage_simulate(pool, &design, methods, &iid));
    double envelope = methods[QB_METHOD_ENVELOPE_T].covered, bca = methods[QB_METHOD_BCA].covered;
    cr_expect(agrees(row->covered[QB_METHOD_ENVELOPE_T], envelope, design.trials), "%.2f", envelope);
    cr_expect(agrees(row->covered[QB_METHOD_BCA], bca, design.trials), "%.2f", bca);
    cr_expect_not(agrees(row->covered[QB_METHOD_ENVELOPE_T] - 5, envelope, design.trials), "a planted wrong value");
    cr_expect_not(agrees(row->covered[QB_METHOD_BCA], envelope, design.trials), "another method's value");
    cr_expect_not(agrees(NAN, envelope, design.trials));
    cr_expect_gt(methods[QB_METHOD_ENVELOPE_T].width, 1);
    cr_expect_lt(methods[QB_METHOD_BCA].width, 1);
}

Test(coverage, same_for_any_threads)
{
    const struct qb_coverage_design design = {QB_POPULATION_SHARE, 6, 200, 0.3, (1u << QB_METHODS) - 1};
    struct qb_coverage a[QB_METHODS], b[QB_METHODS], iid_a, iid_b;
    struct qb_pool *one;
    struct qb_error err = {0};
    cr_assert_eq(qb_pool_create(1, &one, &err), QB_OK);
    cr_assert(qb_coverage_simulate(pool, &design, a, &iid_a) && qb_coverage_simulate(one, &design, b, &iid_b));
    for (int m = 0; m < QB_METHODS; m++)
        cr_expect(a[m].covered == b[m].covered && a[m].width == b[m].width && a[m].below == b[m].below);
    cr_expect(iid_a.covered == iid_b.covered && iid_a.width == iid_b.width);
    qb_pool_free(one);
}

Test(coverage, no_interval_is_told_apart)
{
    const struct qb_coverage_design two = {QB_POPULATION_SHARE, 2, 500, QB_COVERAGE_ICC, 1u << QB_METHOD_CLUSTER_T};
    struct qb_coverage methods[QB_METHODS], iid;
    cr_assert(qb_coverage_simulate(pool, &two, methods, &iid));
    cr_expect(methods[QB_METHOD_CLUSTER_T].none > 5 && methods[QB_METHOD_CLUSTER_T].none < 25 && iid.none == 0);
    const struct qb_coverage_design bad[] = {{QB_POPULATION_NORMAL, 1, 5, 0.1, 1},
                                             {QB_POPULATION_NORMAL, 5, 0, 0.1, 1},
                                             {QB_POPULATION_NORMAL, 5, 5, 1, 1},
                                             {QB_POPULATION_NORMAL, 5, 5, NAN, 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(qb_coverage_simulate(pool, &bad[i], methods, &iid), "design %zu", i);
}

/* The rule that coverage_table.c states. */
Test(coverage, method_is_the_tables_choice)
{
    for (size_t clusters = 5; clusters <= 1000; clusters = clusters * 3 / 2) {
        enum qb_interval_method best = QB_METHOD_CLUSTER_T;
        for (int m = 0; m < QB_METHODS; m++)
            if (qb_coverage_known(QB_KIND_REAL, (enum qb_interval_method)m, clusters) >
                qb_coverage_known(QB_KIND_REAL, best, clusters))
                best = (enum qb_interval_method)m;
        cr_expect_eq(qb_interval_method_for(QB_KIND_REAL, clusters), best, "%zu clusters", clusters);
    }
    cr_expect_eq(qb_interval_method_for(QB_KIND_REAL, 4), QB_METHOD_CLUSTER_T);
    cr_expect_eq(qb_interval_method_for(QB_KIND_REAL, 100000), QB_METHOD_CLUSTER_T);
    cr_expect_eq(qb_interval_method_for(QB_KIND_SHARE, 20), QB_METHOD_WILSON);
}

Test(coverage, chosen_methods_cover_94_to_96_from_20_clusters)
{
    for (size_t clusters = 20; clusters <= 5000; clusters *= 2)
        for (int p = 0; p < QB_POPULATIONS; p++) {
            enum qb_data_kind kind = qb_population_kind((enum qb_population)p);
            enum qb_interval_method method = qb_interval_method_for(kind, clusters);
            size_t tabled = clusters < 40 ? 20 : clusters < 80 ? 40 : clusters < 160 ? 80 : clusters < 640 ? 160 : 640;
            double covered = row_of((enum qb_population)p, tabled)->covered[method];
            cr_expect(covered >= 94 && covered <= 96, "%s, %zu clusters: %.2f",
                      qb_population_name((enum qb_population)p), clusters, covered);
            cr_expect_geq(covered, qb_coverage_known(kind, method, clusters));
        }
}

Test(coverage, known_is_the_least_favourable_at_the_size_below)
{
    double least = fmin(fmin(row_of(QB_POPULATION_NORMAL, 20)->covered[QB_METHOD_BCA],
                             row_of(QB_POPULATION_SKEWED, 20)->covered[QB_METHOD_BCA]),
                        row_of(QB_POPULATION_HEAVY, 20)->covered[QB_METHOD_BCA]);
    cr_expect_eq(qb_coverage_known(QB_KIND_REAL, QB_METHOD_BCA, 20), least);
    cr_expect_eq(qb_coverage_known(QB_KIND_REAL, QB_METHOD_BCA, 39), least);
    cr_expect_neq(qb_coverage_known(QB_KIND_REAL, QB_METHOD_BCA, 40), least);
    cr_expect(isnan(qb_coverage_known(QB_KIND_REAL, QB_METHOD_WILSON, 20)));
    cr_expect(isnan(qb_coverage_known(QB_KIND_REAL, QB_METHOD_CLUSTER_T, 1)));
    cr_expect(isnan(qb_coverage_known(QB_KIND_SHARE, QB_METHODS, 20)));
    cr_expect_lt(qb_coverage_known(QB_KIND_REAL, QB_METHOD_CLUSTER_T, 3), 94, "said beside the interval");
}
