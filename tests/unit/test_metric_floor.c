/* Floors: what is called not resolved, which greedy runs are void, and that applying twice changes nothing. */
#include <stdio.h>
#include "metric_case.h"

enum { CELLS = 12, VALUES = 8 };

struct table {
    struct qb_floor_cell cells[CELLS];
    struct qb_value values[CELLS][VALUES];
    size_t count;
};

static struct qb_floor_cell *add_cell(struct table *t, const char *model, const char *variant, const char *experiment)
{
    struct qb_floor_cell *cell = &t->cells[t->count];
    cr_assert_lt(t->count, CELLS);
    *cell = (struct qb_floor_cell){model, variant, experiment, QB_FLOOR_NONE, t->values[t->count], 0};
    t->count++;
    return cell;
}

/* The model's arithmetic floor, under a name that says nothing. */
static struct qb_floor_cell *add_floor(struct table *t, const char *model, const char *experiment)
{
    struct qb_floor_cell *cell = add_cell(t, model, "mine", experiment);
    cell->floor = QB_FLOOR_ARITHMETIC;
    return cell;
}

static struct qb_value *add(struct qb_floor_cell *cell, const char *metric, double number)
{
    struct qb_value *value = &cell->values[cell->count++];
    cr_assert_leq(cell->count, VALUES);
    *value = (struct qb_value){.value = number, .lo = NAN, .hi = NAN, .flags = QB_FLAG_NO_INTERVAL, .n = 9};
    snprintf(value->metric, sizeof value->metric, "%s", metric);
    snprintf(value->note, sizeof value->note, "by hand");
    return value;
}

#define TF "teacher-forced"
static bool unresolved(const struct qb_value *value)
{
    bool flag = value->flags & QB_FLAG_UNRESOLVED, word = strstr(value->note, "; not resolved: within what FP32");
    cr_assert_eq(flag, word, "%s: flag and note say the same: %s", value->metric, value->note);
    return flag;
}

Test(floor, nearer_than_arithmetic_is_not_resolved)
{
    struct table t = {0};
    struct qb_floor_cell *cell = add_cell(&t, "m", "tight", TF), *loose = add_cell(&t, "m", "loose", TF);
    struct qb_floor_cell *other = add_cell(&t, "n", "tight", TF), *floor = add_floor(&t, "m", TF);
    struct qb_value *kl = add(cell, "kl_mean", 1e-12), *ratio = add(cell, "perplexity_ratio", 0.9999995);
    struct qb_value *top1 = add(cell, "top1_agreement", 99.9), *exact = add(cell, "kl_max", 0);
    struct qb_value *nan = add(cell, "kl_p99", NAN), *neutral = add(cell, "accuracy", 50);
    struct qb_value *far = add(loose, "kl_mean", 2.1e-12), *same = add(loose, "perplexity_ratio", 1.000001);
    struct qb_value *over = add(loose, "top1_agreement", 99.8999), *elsewhere = add(other, "kl_mean", 1e-13);
    struct qb_value *own = add(floor, "kl_mean", 2e-12);
    add(floor, "perplexity_ratio", 1.000001);
    add(floor, "top1_agreement", 99.9);
    add(floor, "kl_max", 1);
    add(floor, "kl_p99", 1);
    add(floor, "accuracy", 50);
    qb_floors_apply(t.cells, t.count);
    cr_expect(unresolved(kl) && strstr(kl->note, "(2e-12)"), "%s", kl->note);
    cr_expect(unresolved(ratio), "0.5e-6 under 1 is no further than 1e-6 over");
    cr_expect(unresolved(top1), "equally far");
    cr_expect(unresolved(same), "the same value");
    cr_expect_not(unresolved(exact), "identical is a finding");
    cr_expect_not(unresolved(nan), "NaN passes no comparison");
    cr_expect_not(unresolved(neutral), "accuracy has no identity");
    cr_expect_not(unresolved(far) || unresolved(over), "further away");
    cr_expect_not(unresolved(elsewhere), "another model's floor");
    cr_expect_not(unresolved(own), "the floor itself");
    cr_expect(kl->value == 1e-12 && kl->n == 9 && kl->flags == (QB_FLAG_NO_INTERVAL | QB_FLAG_UNRESOLVED));
}

Test(floor, floors_speed_and_memory_are_left_alone)
{
    static const enum qb_floor floors[] = {QB_FLOOR_IDENTITY, QB_FLOOR_FP16, QB_FLOOR_BF16, QB_FLOOR_ARITHMETIC};
    struct table t = {0};
    struct qb_value *values[7];
    for (size_t i = 0; i < 4; i++) {
        struct qb_floor_cell *cell = add_cell(&t, "m", "v", TF);
        cell->floor = floors[i];
        values[i] = add(cell, "kl_mean", i < 3 ? 1e-9 : 1e-8);
    }
    values[4] = add(add_cell(&t, "m", "v", "speed"), "decode_overhead", 1.01);
    values[5] = add(add_cell(&t, "m", "v", "memory"), "compression", 1.01);
    add(add_floor(&t, "m", "speed"), "decode_overhead", 1.1);
    add(add_floor(&t, "m", "memory"), "compression", 1.1);
    values[6] = add(add_cell(&t, "m", "v", TF), "kl_mean", 1e-9);
    qb_floors_apply(t.cells, t.count);
    for (size_t i = 0; i < 6; i++)
        cr_expect_not(unresolved(values[i]), "value %zu", i);
    cr_expect(unresolved(values[6]), "the control: not a floor");
}

Test(floor, none_or_a_failed_one_flags_nothing)
{
    struct table t = {0};
    struct qb_value *kl = add(add_cell(&t, "m", "v", TF), "kl_mean", 1e-12);
    qb_floors_apply(t.cells, t.count);
    cr_assert_not(unresolved(kl));
    cr_assert_str_eq(kl->note, "by hand");
    add(add_floor(&t, "m", TF), "kl_mean", NAN)->flags |= QB_FLAG_FAILED;
    qb_floors_apply(t.cells, t.count);
    cr_assert_not(unresolved(kl));
    qb_floors_apply(NULL, 0);
}

/* A greedy cell whose median margin is 0.002 beside a reordering that moves a logit by `moves`. */
static struct table greedy_case(double moves, struct qb_value **match, struct qb_value **median)
{
    struct table t = {0};
    struct qb_floor_cell *cell = &t.cells[0];
    *cell = (struct qb_floor_cell){"m", "v", "greedy", QB_FLOOR_NONE, NULL, 0};
    t.cells[1] = (struct qb_floor_cell){"m", "mine", TF, QB_FLOOR_ARITHMETIC, NULL, 0};
    t.count = 2;
    for (size_t i = 0; i < 2; i++)
        t.cells[i].values = t.values[i];
    *match = add(cell, "match_rate", 80);
    *median = add(cell, "reference_margin_median", 0.002);
    add(cell, "divergence_mean", 30);
    add(cell, "unique_tokens", 30);
    add(&t.cells[1], "max_logit_diff", moves);
    return t;
}

Test(floor, greedy_choices_that_reordering_could_turn_are_void)
{
    static const struct {
        double moves;
        bool flagged;
    } cases[] = {{0.0021, true}, {0.002, false}, {0.0001, false}, {NAN, false}};
    for (size_t i = 0; i < 4; i++) {
        struct qb_value *at, *margin;
        struct table t = greedy_case(cases[i].moves, &at, &margin);
        for (size_t c = 0; c < 2; c++)
            t.cells[c].values = t.values[c];
        qb_floors_apply(t.cells, t.count);
        const struct qb_value *v = t.values[0];
        cr_expect_eq((v[0].flags & QB_FLAG_DEGENERATE) != 0, cases[i].flagged, "match_rate, case %zu", i);
        cr_expect_eq((v[2].flags & QB_FLAG_DEGENERATE) != 0, cases[i].flagged, "divergence_mean, case %zu", i);
        cr_expect_eq(strstr(v[0].note, "median margin under") != NULL, cases[i].flagged, "%s", v[0].note);
        cr_expect_not((v[1].flags | v[3].flags) & QB_FLAG_DEGENERATE, "what an arm looks like stands, case %zu", i);
    }
}

/* Floors that came and went: nothing stale stays, and what a metric said itself does. */
Test(floor, applying_again_changes_nothing_and_takes_back_the_stale)
{
    struct table t = {0};
    struct qb_floor_cell *cell = add_cell(&t, "m", "v", "greedy");
    add(cell, "match_rate", 99);
    add(cell, "reference_margin_median", 0.001);
    struct qb_value *loops = add(cell, "top10_overlap", 99), *full = add(cell, "diverged_share", 3);
    loops->flags |= QB_FLAG_DEGENERATE;
    snprintf(loops->note, sizeof loops->note, "reference: loops in 3 of 3 prompts");
    memset(full->note, 'x', sizeof full->note - 1);
    struct qb_floor_cell *floor = add_floor(&t, "m", "greedy");
    struct qb_floor_cell *moves = add_floor(&t, "m", TF);
    add(floor, "match_rate", 98);
    add(floor, "top10_overlap", 98);
    add(floor, "diverged_share", 4);
    add(moves, "max_logit_diff", 0.01);
    struct table before = t, once;
    qb_floors_apply(t.cells, t.count);
    once = t;
    cr_assert(unresolved(&t.values[0][0]) && (t.values[0][0].flags & QB_FLAG_DEGENERATE));
    cr_assert(unresolved(full) && (full->flags & QB_FLAG_DEGENERATE), "a full note gives way: %s", full->note);
    cr_assert(strstr(full->note, "xxx; reference's median margin under"), "%s", full->note);
    cr_assert(unresolved(loops) && !strstr(loops->note, "margin"), "degenerate already: %s", loops->note);
    qb_floors_apply(t.cells, t.count);
    cr_assert_arr_eq(t.values, once.values, sizeof t.values, "the second time changes nothing");
    floor->values[0].value = floor->values[1].value = 99.9;
    floor->values[2].value = 1;
    moves->values[0].value = 1e-5;
    qb_floors_apply(t.cells, t.count);
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(t.values[0][i].flags, before.values[0][i].flags, "value %zu", i);
        if (i != 3)
            cr_expect_str_eq(t.values[0][i].note, before.values[0][i].note);
    }
    cr_expect_null(strstr(full->note, "resolved"), "%s", full->note);
}

/* A note is for reading: that a metric's own says what floors say is no mark, and it stays. */
Test(floor, words_are_no_marks)
{
    struct table t = {0};
    struct qb_value *kl = add(add_cell(&t, "m", "v", TF), "kl_mean", 1);
    kl->flags |= QB_FLAG_DEGENERATE;
    snprintf(kl->note, sizeof kl->note, "loops; not resolved: within what FP32 arithmetic in another order costs (7)");
    const struct qb_value before = *kl;
    qb_floors_apply(t.cells, t.count);
    cr_expect_str_eq(kl->note, before.note);
    cr_expect_eq(kl->flags, before.flags);
    kl->floor_marks = QB_MARK_OLDER;
    add(add_floor(&t, "m", TF), "kl_mean", 2);
    qb_floors_apply(t.cells, t.count);
    cr_expect_str_eq(kl->note, before.note, "an older file's note says what its floors said");
    cr_expect_eq(kl->flags, before.flags);
}

/* A format under test that is called as the floor is, and worse than it: neither is it a floor, nor spared its own. */
Test(floor, names_mean_nothing)
{
    struct table t = {0};
    struct qb_value *loose = add(add_cell(&t, "m", "fp32-reordered", TF), "kl_mean", 1e-3);
    struct qb_value *kl = add(add_cell(&t, "m", "v", TF), "kl_mean", 1e-6);
    struct qb_value *tight = add(add_cell(&t, "m", "fp32", TF), "kl_mean", 1e-13);
    qb_floors_apply(t.cells, t.count);
    cr_expect_not(unresolved(kl), "measured against a variant that is called a floor");
    add(add_floor(&t, "m", TF), "kl_mean", 1e-12);
    qb_floors_apply(t.cells, t.count);
    cr_expect_not(unresolved(kl) || unresolved(loose), "over the floor");
    cr_expect(unresolved(tight), "a variant that is called fp32 and encodes is told as any other");
}

/* What takes a void KL apart is void, of that variant alone; applied twice, or with a sound whole, it is as it was. */
Test(floor, parts_of_a_void_whole_are_void)
{
    struct table t = {0};
    struct qb_value *whole = add(add_cell(&t, "m", "v", TF), "kl_mean", 6.8e-14);
    struct qb_value *part = add(add_cell(&t, "m", "v", "attribute"), "total_kl", 6.8e-14);
    struct qb_value *other = add(add_cell(&t, "m", "w", "attribute"), "total_kl", 1e-3);
    whole->flags |= QB_FLAG_DEGENERATE;
    for (int twice = 0; twice < 2; twice++) {
        qb_floors_apply(t.cells, t.count);
        cr_expect(part->flags & QB_FLAG_DEGENERATE);
        cr_expect_str_eq(part->note, "by hand; void as the variant's own teacher-forced kl_mean is (6.8e-14)");
        cr_expect_not(other->flags & QB_FLAG_DEGENERATE);
    }
    whole->flags &= ~(uint32_t)QB_FLAG_DEGENERATE;
    qb_floors_apply(t.cells, t.count);
    cr_expect_not(part->flags & QB_FLAG_DEGENERATE);
    cr_expect_str_eq(part->note, "by hand");
}
