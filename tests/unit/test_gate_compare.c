/* Comparisons of two result files and of two variants. */
#include "planted_result.h"

#include "gate/compare.h"
#include "metric_case.h"
#include "scratch.h"

enum { CHUNKS = 6, EACH = 4, N = CHUNKS * EACH };

static size_t each = EACH; /* positions of a chunk; N: one chunk */

/* A teacher-forced cell: kl is base + chunk / 10, top1 as in the bits of `misses` (1: a miss). */
static void add(struct planted *p, const char *variant, double base, uint32_t misses, char inputs)
{
    struct qb_error err = {0};
    size_t n = N;
    struct qb_cell *cell = planted_cell(p, "m", variant, "teacher-forced");
    memset(cell->inputs, inputs, QB_HASH_HEX - 1);
    int32_t *chunk = qb_record_add(&cell->record, "chunk", QB_I32, 1, &n, "1", "chunk", &err);
    int32_t *position = qb_record_add(&cell->record, "position", QB_I32, 1, &n, "1", "position", &err);
    double *kl = qb_record_add(&cell->record, "kl", QB_F64, 1, &n, "nat", "kl", &err);
    uint8_t *top1 = qb_record_add(&cell->record, "top1", QB_U8, 1, &n, "1", "top1", &err);
    for (size_t i = 0; i < n; i++) {
        chunk[i] = (int32_t)(i / each);
        position[i] = (int32_t)(i % each);
        kl[i] = base * (1 + (double)chunk[i] / 10);
        top1[i] = !(misses >> i & 1);
    }
    planted_measure(cell);
}

static struct qb_baseline *cells_of(const struct qb_result *result)
{
    struct qb_error err = {0};
    struct qb_baseline *b = NULL;
    cr_assert_eq(qb_baseline_from_result(result, &b, &err), QB_OK, "%s", err.message);
    return b;
}

static struct qb_result *opened(const char *path)
{
    struct qb_error err = {0};
    struct qb_result *result = NULL;
    cr_assert_eq(qb_result_open(path, &result, &err), QB_OK, "%s", err.message);
    return result;
}

static const struct qb_compare_row *row_of(const struct qb_compare *c, const char *metric)
{
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->rows[i].metric, metric))
            return &c->rows[i];
    cr_assert_fail("no row %s", metric);
    return NULL;
}

static const struct qb_compare_options all = {.force = false};

/* 5 positions agree in one alone, 1 in the other alone: McNemar's exact p is 2 * (C(6,0) + C(6,1)) / 2^6 = 0.21875. */
Test(gate_compare, variants_of_a_run, .init = scratch_begin, .fini = scratch_end)
{
    struct planted p = {0};
    struct qb_error err = {0};
    struct qb_compare *compare = NULL;
    add(&p, "a", 1, 0x000001, 'a');
    add(&p, "b", 1.5, 0x11111 << 1, 'a');
    planted_write(&p, scratch_path("r.h5"));
    struct qb_result *result = opened(scratch_path("r.h5"));
    struct qb_baseline *cells = cells_of(result);
    struct qb_compare_arm a = {cells, result, "a"}, b = {cells, result, "b"};
    cr_assert_eq(qb_compare_run(&a, &b, &all, &compare, &err), QB_OK, "%s", err.message);
    const struct qb_compare_row *top1 = row_of(compare, "top1_agreement"), *kl = row_of(compare, "kl_mean");
    cr_assert(top1->a_alone == 5 && top1->b_alone == 1);
    cr_assert_float_eq(top1->mcnemar, 0.21875, 1e-12);
    cr_assert_float_eq(top1->difference, -100.0 * 4 / N, 1e-9);
    cr_assert_str_eq(top1->difference_unit, "points");
    cr_assert(kl->paired && kl->clusters == CHUNKS && isnan(kl->mcnemar));
    /* Differences by chunk are 0.5 (1 + chunk / 10): mean 0.625, se 0.5 sd(0, 0.1 .. 0.5) / sqrt(6) */
    cr_assert_float_eq(kl->difference, 0.625, 1e-12);
    cr_assert_float_eq(kl->raw.se, 0.5 * 0.18708286933869706 / sqrt(6), 1e-12);
    cr_assert(kl->lo < 0.625 && 0.625 < kl->hi && kl->holm >= kl->p && kl->bh >= kl->p && kl->bh <= kl->holm);
    cr_assert(isnan(row_of(compare, "kl_max")->p));
    cr_assert_not_null(strstr(row_of(compare, "kl_max")->note, "no mean over clusters"));
    qb_compare_free(compare);
    qb_baseline_free(cells);
    qb_result_close(result);
    planted_free(&p);
}

static struct qb_compare_row compared(uint32_t misses_a, uint32_t misses_b)
{
    struct planted p = {0};
    struct qb_error err = {0};
    struct qb_compare *compare = NULL;
    add(&p, "a", 1, misses_a, 'a');
    add(&p, "b", 1, misses_b, 'a');
    planted_write(&p, scratch_path("r.h5"));
    struct qb_result *result = opened(scratch_path("r.h5"));
    struct qb_baseline *cells = cells_of(result);
    struct qb_compare_arm a = {cells, result, "a"}, b = {cells, result, "b"};
    cr_assert_eq(qb_compare_run(&a, &b, &all, &compare, &err), QB_OK, "%s", err.message);
    struct qb_compare_row row = *row_of(compare, "top1_agreement");
    qb_compare_free(compare);
    qb_baseline_free(cells);
    qb_result_close(result);
    planted_free(&p);
    return row;
}

/* Each of six chunks loses one position of four: 25 points everywhere, and nothing by which to judge them. */
Test(gate_compare, no_spread_no_p_value, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_compare_row row = compared(0, 0x111111);
    cr_expect_float_eq(row.difference, -25, 1e-12);
    cr_expect(isnan(row.p) && isnan(row.holm) && isnan(row.lo) && isnan(row.hi));
    cr_expect_not_null(strstr(row.note, "no spread between clusters"), "%s", row.note);
    row = compared(0x111111, 0x111111); /* identical is another thing: nothing moved */
    cr_expect(row.difference == 0 && row.p == 1 && row.lo == 0 && row.hi == 0);
}

Test(gate_compare, one_cluster_is_called_so, .init = scratch_begin, .fini = scratch_end)
{
    each = N;
    struct qb_compare_row row = compared(0, 0x111111);
    cr_expect(isnan(row.p) && isnan(row.lo));
    cr_expect_not_null(strstr(row.note, "one cluster"), "%s", row.note);
}

static struct qb_compare *two_files(char inputs_a, char inputs_b, const char *metric)
{
    struct planted p = {0}, q = {0};
    struct qb_error err = {0};
    struct qb_compare *compare = NULL;
    add(&p, "a", 1, 0, inputs_a);
    add(&q, "a", 1.25, 0, inputs_b);
    planted_write(&p, scratch_path("p.h5"));
    planted_write(&q, scratch_path("q.h5"));
    struct qb_result *x = opened(scratch_path("p.h5")), *y = opened(scratch_path("q.h5"));
    static struct qb_baseline *cells[2]; /* rows borrow names: freed by the next call */
    qb_baseline_free(cells[0]);
    qb_baseline_free(cells[1]);
    cells[0] = cells_of(x);
    cells[1] = cells_of(y);
    struct qb_compare_arm a = {cells[0], x, NULL}, b = {cells[1], y, NULL};
    struct qb_compare_options options = all;
    cr_assert_eq(qb_globs_add(&options.metrics, "--metric", metric, &err), QB_OK);
    cr_assert_eq(qb_compare_run(&a, &b, &options, &compare, &err), QB_OK, "%s", err.message);
    qb_result_close(x);
    qb_result_close(y);
    planted_free(&p);
    planted_free(&q);
    return compare;
}

Test(gate_compare, inputs_decide_the_pairing, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_compare *compare = two_files('a', 'a', "kl_mean");
    cr_assert_eq(compare->count, 1);
    cr_assert(compare->rows[0].paired && compare->rows[0].note[0] == '\0');
    double paired = compare->rows[0].raw.se;
    qb_compare_free(compare);
    compare = two_files('a', 'b', "kl_mean");
    cr_assert(!compare->rows[0].paired && compare->rows[0].raw.se > 2 * paired);
    cr_assert_not_null(strstr(compare->rows[0].note, "the inputs differ"));
    qb_compare_free(compare);
    compare = two_files('a', '\0', "kl_mean");
    cr_assert(!compare->rows[0].paired);
    cr_assert_not_null(strstr(compare->rows[0].note, "not recorded"));
    qb_compare_free(compare);
}
