/* In what the arms of a comparison differ beside the variant: what is said, and what is refused. */
#include "gate_case.h"

#include "gate/compare.h"

static struct qb_baseline *arm_case(void)
{
    static const double kl[] = {1, 1.5, 0.5, 1, 1.25};
    struct qb_baseline *b = case_new();
    for (int i = 0; i < 2; i++) {
        struct qb_baseline_cell *cell = case_cell(b, "m", i ? "w" : "v", "teacher-forced");
        case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, kl, NULL, 5);
        case_hash(cell->tokenizer_sha256, 'd');
    }
    return b;
}

static void model(struct qb_baseline *b)
{
    for (size_t i = 0; i < b->count; i++)
        case_hash(b->cells[i].model_sha256, 'e');
}
static void no_model(struct qb_baseline *b)
{
    b->cells[0].model_sha256[0] = '\0';
}
static void tokenizer(struct qb_baseline *b)
{
    case_hash(b->cells[0].tokenizer_sha256, 'e');
}
static void no_tokenizer(struct qb_baseline *b)
{
    b->cells[0].tokenizer_sha256[0] = '\0'; /* of an older program: the inputs speak for it */
}
static void options(struct qb_baseline *b)
{
    case_set(&b->cells[0].options, "steps=11");
}
static void no_options(struct qb_baseline *b)
{
    case_set(&b->cells[0].options, "");
}
static void older_program(struct qb_baseline *b)
{
    case_set(&b->cells[0].options, "");
    b->cells[0].inputs[0] = '\0';
}
static void inputs(struct qb_baseline *b)
{
    case_hash(b->cells[0].inputs, 'e');
}
static void definition(struct qb_baseline *b)
{
    case_set(&b->cells[0].definition, "variant v codec=qins8/1(scope=row)");
}
static void version(struct qb_baseline *b)
{
    case_set(&b->cells[0].codecs[0].version, "2");
}
static void processor(struct qb_baseline *b)
{
    case_set(&b->cpu, "another processor");
}

static enum qb_status compare(const struct qb_baseline *a, const struct qb_baseline *b, const char *variant_a,
                              const char *variant_b, bool force, struct qb_compare **out, struct qb_error *err)
{
    const struct qb_compare_arm x = {.cells = a, .variant = variant_a}, y = {.cells = b, .variant = variant_b};
    const struct qb_compare_options all = {.force = force};
    *err = (struct qb_error){0};
    return qb_compare_run(&x, &y, &all, out, err);
}

#define ROW "version 1 sha256 cccccccccccc"

Test(gate_identity, what_differs_is_said_or_refused)
{
    static const struct {
        void (*change)(struct qb_baseline *);
        const char *kind, *said; /* the first fact; NULL: none */
        bool refused;
    } cases[] = {
        {NULL, NULL, NULL, false},
        {model, "model", "model of m differ: bbb", true},
        {no_model, "model", "model of m: ", false},
        {tokenizer, "tokenizer", "tokenizer of m differ: ddd", true},
        {no_tokenizer, NULL, NULL, false},
        {options, "options", "options of m/teacher-forced differ: steps=10 in A, steps=11 in B", true},
        {no_options, "options", "options of m/teacher-forced differ: steps=10 in A, none in B", true},
        {older_program, "options", "options of m/teacher-forced: steps=10 in A, not recorded in B", false},
        {inputs, "inputs", "inputs of m/teacher-forced differ: aaa", false},
        {definition, "definition", "definition of v differ: variant v codec=qins8/1(scope=tensor) in A", false},
        {version, "codec", "codec of qins8 differ: " ROW " in A, version 2 sha256 cccccccccccc in B", false},
        {processor, "machine", "machine, processor differ: a processor in A, another processor in B", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_baseline *a = arm_case(), *b = arm_case();
        struct qb_compare *made = NULL;
        struct qb_error err;
        if (cases[i].change)
            cases[i].change(b);
        enum qb_status due = cases[i].refused ? QB_ERR_INPUT : QB_OK;
        cr_expect_eq(compare(a, b, NULL, NULL, false, &made, &err), due, "case %zu: %s", i, err.message);
        qb_compare_free(made);
        cr_assert_eq(compare(a, b, NULL, NULL, true, &made, &err), QB_OK, "%s", err.message);
        cr_assert_eq(made->count, 2);
        if (!cases[i].kind) {
            cr_expect_eq(made->fact_count, 0, "case %zu", i);
        } else {
            struct qb_text said = {0};
            cr_assert_gt(made->fact_count, 0, "case %zu", i);
            qb_compare_say(&made->facts[0], &said);
            struct qb_text kind = {0};
            qb_compare_kinds(1u << made->facts[0].kind, &kind);
            cr_expect_str_eq(kind.data, cases[i].kind, "case %zu", i);
            qb_text_free(&kind);
            cr_expect_eq(made->facts[0].refused, cases[i].refused, "case %zu", i);
            const char *part = cases[i].said;
            cr_expect_eq(strncmp(said.data, part, strlen(part)), 0, "case %zu: %s", i, said.data);
            if (made->facts[0].cells)
                cr_expect(made->rows[0].differs >> made->facts[0].kind & 1, "case %zu", i);
            qb_text_free(&said);
        }
        qb_compare_free(made);
        qb_baseline_free(a);
        qb_baseline_free(b);
    }
}

/* Two variants of one run: that they are different variants is the point, and no fact; equal facts are counted. */
Test(gate_identity, variants_and_counts)
{
    struct qb_baseline *a = arm_case(), *b = arm_case();
    struct qb_compare *made = NULL;
    struct qb_error err;
    definition(a);
    cr_assert_eq(compare(a, a, "v", "w", false, &made, &err), QB_OK, "%s", err.message);
    cr_expect_eq(made->fact_count, 0);
    cr_expect(made->only_a == 0 && made->only_b == 0 && made->unfinished == 0);
    qb_compare_free(made);
    model(b);
    cr_assert_eq(compare(a, b, NULL, NULL, true, &made, &err), QB_OK, "%s", err.message);
    cr_expect_eq(made->facts[0].cells, 2);
    qb_compare_free(made);
    case_set(&b->cells[1].variant, "x");
    b->cells[0].state = QB_CELL_FAILED;
    cr_assert_eq(compare(a, b, NULL, NULL, false, &made, &err), QB_OK, "nothing is compared: %s", err.message);
    cr_expect(made->count == 0 && made->only_a == 1 && made->only_b == 1 && made->unfinished == 1);
    qb_compare_free(made);
    qb_baseline_free(a);
    qb_baseline_free(b);
}
