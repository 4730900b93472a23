/* Plans: order, --only, and what a content key depends on. */
#include "unit/suite_fixture.h"
#include "run/inputs.h"
#include "run/plan.h"

TestSuite(plan, .init = fixture_begin, .fini = fixture_end);

static struct qb_plan make(const struct qb_suite *s, const char *only)
{
    struct qb_plan plan = {0};
    struct qb_error err = {0};
    struct qb_only chosen = {0};
    cr_assert(!only || !qb_only_add(&chosen, only, &err), "%s", err.message);
    cr_assert_eq(qb_plan_make(s, &chosen, &plan, &err), QB_OK, "%s", err.message);
    return plan;
}

static void expect_labels(const struct qb_suite *s, const struct qb_plan *plan, const char *due)
{
    struct qb_text text = {0};
    for (size_t i = 0; i < plan->count; i++)
        if (plan->cells[i].selected) {
            qb_plan_label(s, &plan->cells[i], &text);
            qb_text_add(&text, "\n");
        }
    cr_expect_str_eq(text.data ? text.data : "", due);
    qb_text_free(&text);
}

Test(plan, references_first_grouped_by_model)
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, NULL);
    struct qb_plan plan = make(s, NULL);
    expect_labels(s, &plan,
                  "a/reference/greedy\na/reference/depth\n"
                  "a/fp32/greedy\na/fp32/depth\na/fp32/memory\n"
                  "a/pattern-a/greedy\na/pattern-a/depth\na/pattern-a/memory\n"
                  "a/int8-tensor/greedy\na/int8-tensor/depth\na/int8-tensor/memory\n"
                  "b/reference/depth\nb/int8-tensor/depth\n");
    cr_expect_eq(plan.cells[2].reference, 0);
    cr_expect_eq(plan.cells[3].reference, 1);
    cr_expect_eq(plan.cells[4].reference, QB_PLAN_NONE);
    cr_expect_eq(plan.cells[5].reference, 0);
    qb_plan_free(&plan);
    qb_suite_free(s);
}

Test(plan, only_takes_the_reference_along)
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, NULL);
    struct qb_plan plan = make(s, "*/pattern-*/greedy");
    expect_labels(s, &plan, "a/reference/greedy\na/pattern-a/greedy\n");
    qb_plan_free(&plan);
    plan = make(s, "*/*/memory");
    expect_labels(s, &plan, "a/fp32/memory\na/pattern-a/memory\na/int8-tensor/memory\n");
    qb_plan_free(&plan);
    plan = make(s, "b");
    expect_labels(s, &plan, "b/reference/depth\nb/int8-tensor/depth\n");
    qb_plan_free(&plan);
    struct qb_error err = {0};
    struct qb_only several = {0};
    cr_assert(!qb_only_add(&several, "*/*/memory", &err) && !qb_only_add(&several, "b", &err));
    cr_assert_eq(qb_plan_make(s, &several, &plan, &err), QB_OK, "%s", err.message);
    expect_labels(s, &plan,
                  "a/fp32/memory\na/pattern-a/memory\na/int8-tensor/memory\nb/reference/depth\nb/int8-tensor/depth\n");
    qb_plan_free(&plan);
    cr_assert_eq(qb_only_add(&several, "c", &err), QB_OK);
    cr_expect_eq(qb_plan_make(s, &several, &plan, &err), QB_ERR_INPUT, "each of several must take a cell");
    cr_expect_not_null(strstr(err.message, "no model matches 'c'; there are a, b"), "%s", err.message);
    qb_suite_free(s);
}

Test(plan, its_own_limit)
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST "limits: {cells: 12}\n", NULL);
    struct qb_plan plan;
    struct qb_error err = {0};
    cr_expect_eq(qb_plan_make(s, &(struct qb_only){0}, &plan, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "13 cells, limits.cells is 12"), "%s", err.message);
    qb_suite_free(s);
}

static const char *computes = "sources, compiler and flags", *blas = "OpenBLAS 0.3.21";

/* The key of a/<variant>/greedy under --set. */
static void key_of(const char *const *set, size_t variant, enum qb_isa isa, const char *core, char key[QB_HASH_HEX])
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, set);
    struct qb_model *model = NULL;
    struct qb_inputs in = {0};
    struct qb_token_cache cache = {0};
    struct qb_error err = {0};
    cr_assert_eq(qb_model_generate("chain", &s->models[0].generated, &model, &err), QB_OK, "%s", err.message);
    cr_assert_eq(qb_inputs_make(s, &s->models[0], &s->experiments[0], model, &cache, &in, &err), QB_OK, "%s",
                 err.message);
    struct qb_plan_cell cell = {.model = 0, .experiment = 0, .variant = variant};
    struct qb_key_context context = {
        .model = model, .inputs = &in, .isa = isa, .blas = blas, .blas_core = core, .computes = computes};
    cr_assert_eq(qb_plan_key(s, &cell, &context, key, &err), QB_OK);
    qb_inputs_free(&in);
    qb_token_cache_free(&cache);
    qb_model_free(model);
    qb_suite_free(s);
}

/* The key of a cell of a/int8-tensor/greedy on a machine, as a timed cell or not. */
static void key_on(const struct qb_key_machine *machine, bool timed, char key[QB_HASH_HEX])
{
    struct qb_suite *s = fixture_suite(SUITE_MODELS SUITE_REST, NULL);
    struct qb_model model = {.sha256 = "model"};
    struct qb_inputs in = {.sha256 = "inputs"};
    struct qb_error err = {0};
    struct qb_plan_cell cell = {.model = 0, .experiment = 0, .variant = 1, .exclusive = timed};
    struct qb_key_context context = {.model = &model,
                                     .inputs = &in,
                                     .isa = QB_ISA_AVX2,
                                     .blas = blas,
                                     .blas_core = "Haswell",
                                     .computes = computes,
                                     .machine = *machine};
    cr_assert_eq(qb_plan_key(s, &cell, &context, key, &err), QB_OK);
    qb_suite_free(s);
}

Test(plan, a_timed_cell_knows_its_machine)
{
    const struct qb_key_machine here = {"a processor", "avx2 fma", 2, 1};
    const struct qb_key_machine others[] = {{"another processor", "avx2 fma", 2, 1},
                                            {"a processor", "avx2", 2, 1},
                                            {"a processor", "avx2 fma", 4, 1},
                                            {"a processor", "avx2 fma", 2, 2}};
    char timed[QB_HASH_HEX], untimed[QB_HASH_HEX], other[QB_HASH_HEX];
    key_on(&here, true, timed);
    key_on(&here, false, untimed);
    key_on(&here, true, other);
    cr_expect_str_eq(timed, other, "the same machine");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        key_on(&others[i], true, other);
        cr_expect_str_neq(timed, other, "%zu: a time of another machine", i);
        key_on(&others[i], false, other);
        cr_expect_str_eq(untimed, other, "%zu: an array that no machine changes", i);
    }
}

Test(plan, keys_change_with_what_a_result_depends_on)
{
    const char *none[] = {NULL};
    const char *changes[][2] = {{"models.a.seed=43", NULL},           {"models.a.hidden=17", NULL},
                                {"models.a.prompt.random=5", NULL},   {"models.a.prompt.seed=1", NULL},
                                {"experiments.greedy.steps=5", NULL}, {"seed=6", NULL}};
    char base[QB_HASH_HEX], other[QB_HASH_HEX];
    key_of(none, 1, QB_ISA_PORTABLE, "Haswell", base);
    key_of(none, 1, QB_ISA_PORTABLE, "Haswell", other);
    cr_expect_str_eq(base, other, "a key is a function of its cell");
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        key_of(changes[i], 1, QB_ISA_PORTABLE, "Haswell", other);
        cr_expect_str_neq(base, other, "%s", changes[i][0]);
    }
    key_of(none, 2, QB_ISA_PORTABLE, "Haswell", other);
    cr_expect_str_neq(base, other, "another variant");
    key_of(none, QB_PLAN_NONE, QB_ISA_PORTABLE, "Haswell", other);
    cr_expect_str_neq(base, other, "the reference");
    key_of(none, 1, QB_ISA_AVX2, "Haswell", other);
    cr_expect_str_neq(base, other, "another ISA level");
    key_of(none, 1, QB_ISA_PORTABLE, "SkylakeX", other);
    cr_expect_str_neq(base, other, "another BLAS core");
    blas = "OpenBLAS 0.3.29";
    key_of(none, 1, QB_ISA_PORTABLE, "Haswell", other);
    cr_expect_str_neq(base, other, "another BLAS");
    blas = "OpenBLAS 0.3.21";
    computes = "another kernel";
    key_of(none, 1, QB_ISA_PORTABLE, "Haswell", other);
    cr_expect_str_neq(base, other, "another version of what computes");
    computes = "sources, compiler and flags";
    key_of((const char *const[]){"experiments.memory={}", "limits={seconds: 9}", NULL}, 1, QB_ISA_PORTABLE, "Haswell",
           other);
    cr_expect_str_eq(base, other, "limits change no result");
}
