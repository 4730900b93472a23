/* Each reason for which a cell turns red, planted; and what is not red. */
#include "gate_case.h"
#include "run/experiment.h"

struct sides {
    struct qb_baseline *then, *now;
    struct qb_gate_rules *rules;
    struct qb_gate *gate;
};

/* Two equal runs: a teacher-forced cell, a roundtrip cell with two tensors. */
static struct qb_baseline *run_case(void)
{
    static const double kl[] = {1, 1.5, 0.5, 1, 1.25};
    struct qb_baseline *b = case_new();
    struct qb_baseline_cell *cell = case_cell(b, "m", "v", "roundtrip");
    case_metric(cell, "sqnr_db", "dB", QB_HIGHER_IS_BETTER, 35);
    for (size_t i = 0; i < 2; i++) {
        cell->tensors[i].name = case_text(i ? "mlp" : "attn");
        case_hash(cell->tensors[i].sha256, 'd');
    }
    cell->tensor_count = 2;
    cell = case_cell(b, "m", "v", "teacher-forced");
    case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, kl, NULL, 5);
    return b;
}

static struct sides begin(void)
{
    return (struct sides){.then = run_case(), .now = run_case(), .rules = case_rules()};
}

static const struct qb_gate_row *gate_row(struct sides *s, bool fresh, const char *experiment, const char *metric)
{
    qb_gate_free(s->gate);
    s->gate = case_gate(s->now, s->then, s->rules, fresh);
    for (size_t i = 0; i < s->gate->count; i++)
        if (!strcmp(s->gate->rows[i].experiment, experiment) && !strcmp(s->gate->rows[i].metric, metric))
            return &s->gate->rows[i];
    cr_assert_fail("no row %s %s", experiment, metric);
    return NULL;
}

static void end(struct sides *s)
{
    qb_gate_free(s->gate);
    qb_baseline_free(s->then);
    qb_baseline_free(s->now);
    qb_gate_rules_free(s->rules);
}

enum { ROUNDTRIP, FORCED };

Test(gate_cells, equal_runs_pass)
{
    struct sides s = begin();
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_PASS, "the same inputs");
    cr_assert_eq(s.gate->verdicts[QB_GATE_PASS], case_count(s.gate));
    cr_assert_eq(case_count(s.gate), 5);
    cr_assert_eq(s.gate->compared, 3); /* sqnr_db, the encoded bytes, kl_mean */
    for (size_t i = 0; i < s.gate->count; i++)
        cr_assert(!(s.gate->rows[i].worse != 0) || isnan(s.gate->rows[i].worse));
    end(&s);
}

Test(gate_cells, missing_and_new)
{
    struct sides s = begin();
    s.now->count--; /* without the teacher-forced cell */
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_FAIL, "missing");
    s.now->count++;
    s.then->count--;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_NEW, "lacks this cell");
    cr_assert_eq(s.gate->verdicts[QB_GATE_FAIL], 0);
    s.then->count++;
    s.now->cells[FORCED].metric_count--;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "kl_mean"), QB_GATE_FAIL, "metric missing");
    s.now->cells[FORCED].metric_count++;
    s.then->cells[FORCED].metric_count--;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "kl_mean"), QB_GATE_NEW, "lacks this metric");
    s.then->cells[FORCED].metric_count++;
    end(&s);
}

Test(gate_cells, states)
{
    static const struct {
        enum qb_cell_state then, now;
        enum qb_gate_verdict verdict;
        const char *part;
    } cases[] = {
        {QB_CELL_DONE, QB_CELL_FAILED, QB_GATE_FAIL, "cell failed: it crashed"},
        {QB_CELL_DONE, QB_CELL_SKIPPED, QB_GATE_FAIL, "cell skipped"},
        {QB_CELL_SKIPPED, QB_CELL_SKIPPED, QB_GATE_PASS, "skipped, as in"},
        {QB_CELL_SKIPPED, QB_CELL_FAILED, QB_GATE_FAIL, "cell failed"},
        {QB_CELL_SKIPPED, QB_CELL_DONE, QB_GATE_NEW, "was skipped"},
        {QB_CELL_FAILED, QB_CELL_FAILED, QB_GATE_INCONCLUSIVE, "as in the baseline"},
        {QB_CELL_FAILED, QB_CELL_DONE, QB_GATE_NEW, "failed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sides s = begin();
        s.then->cells[FORCED].state = cases[i].then;
        s.now->cells[FORCED].state = cases[i].now;
        case_set(&s.now->cells[FORCED].message, "it crashed");
        cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), cases[i].verdict, cases[i].part);
        end(&s);
    }
}

Test(gate_cells, inputs)
{
    struct sides s = begin();
    case_hash(s.now->cells[FORCED].inputs, 'e');
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_FAIL,
                      "inputs changed (hash aaaaaaaaaaaa -> eeeeeeeeeeee)");
    cr_assert_eq(case_count(s.gate), 4); /* nothing else of this cell is compared */
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_PASS, "fresh inputs");
    cr_assert_not(case_row(s.gate, "v", "kl_mean")->paired);
    s.now->cells[FORCED].inputs[0] = '\0';
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_INCONCLUSIVE,
                      "not recorded in the result");
    cr_assert_not(case_row(s.gate, "v", "kl_mean")->paired);
    end(&s);
}

Test(gate_cells, changed_subject)
{
    struct sides s = begin();
    struct qb_baseline_cell *cell = &s.now->cells[FORCED];
    case_hash(cell->model_sha256, 'e');
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_FAIL, "model changed (hash bbbb");
    case_hash(cell->model_sha256, 'b');
    case_set(&cell->options, "steps=11");
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_FAIL,
                      "experiment options changed: 'steps=10' -> 'steps=11'");
    case_set(&cell->options, "steps=10");
    case_set(&cell->definition, "variant v codec=qins8/1(scope=row)");
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_FAIL, "variant definition changed");
    case_set(&cell->definition, "variant v codec=qins8/2(scope=tensor)");
    case_set(&cell->codecs[0].version, "2");
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_FAIL,
                      "codec qins8 changed its version, 1 -> 2: accept a new baseline");
    end(&s);
}

/* An option that an experiment gained is no change at its default, in either direction; at another value it is one. */
Test(gate_cells, gained_option)
{
    static const struct {
        const char *then, *now;
        bool same;
    } cases[] = {{"rows=256 cols=256", "rows=256 cols=256", true},
                 {"", "rows=256 cols=256", true},
                 {"cols=256", "rows=256 cols=256", true},
                 {"rows=256 cols=256", "cols=256", true},
                 {"rows=256", "rows=256 cols=255", false},
                 {"rows=128", "rows=256", false},
                 {"rows=256", "rows=256 odd=1", false},
                 {"rows=256", "rows=2560", false},
                 {"rows=256", "row=256", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_eq(qb_experiment_same_options("roundtrip", cases[i].then, cases[i].now), cases[i].same, "'%s' '%s'",
                     cases[i].then, cases[i].now);
    cr_expect_not(qb_experiment_same_options("no-such", "", "rows=256"));
}

/* Another build of the same version is no change; other bytes under it are. */
Test(gate_cells, encoded_bytes)
{
    struct sides s = begin();
    struct qb_baseline_cell *cell = &s.now->cells[ROUNDTRIP];
    case_hash(cell->codecs[0].sha256, 'e');
    cr_assert_verdict(gate_row(&s, false, "roundtrip", "encoded_sha256"), QB_GATE_PASS, "the same bytes in 2");
    case_hash(cell->tensors[1].sha256, 'e');
    cr_assert_verdict(gate_row(&s, false, "roundtrip", "encoded_sha256"), QB_GATE_FAIL,
                      "under the same codec version: 1 of 2 tensors, first mlp (dddddddddddd -> eeeeeeeeeeee)");
    qb_free(cell->tensors[1].name);
    cell->tensor_count = 1;
    cr_assert_verdict(gate_row(&s, false, "roundtrip", "encoded_sha256"), QB_GATE_FAIL,
                      "1 encoded tensors, the baseline has 2");
    end(&s);
}

Test(gate_cells, contaminated)
{
    struct sides s = begin();
    s.now->cells[FORCED].metrics[0].flags = QB_FLAG_CONTAMINATED;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_FAIL, "contaminated");
    s.now->cells[FORCED].metrics[0].flags = 0;
    case_metric(&s.now->cells[FORCED], "calibration_overlap", "contexts", QB_LOWER_IS_BETTER, 3);
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_FAIL, "contaminated");
    s.now->cells[FORCED].metrics[1].value = 0;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_PASS, "same inputs");
    s.now->cells[FORCED].metrics[1].value = NAN;
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_FAIL, "contaminated");
    s.then->cells[FORCED].metrics[0].flags = QB_FLAG_CONTAMINATED; /* accepted by force */
    cr_assert_verdict(gate_row(&s, false, "teacher-forced", "cell"), QB_GATE_INCONCLUSIVE, "as in the baseline");
    end(&s);
}

Test(gate_cells, edited_baseline)
{
    struct sides s = begin();
    s.then->edited = true;
    s.gate = case_gate(s.now, s.then, s.rules, false);
    cr_assert_eq(s.gate->count, 1);
    cr_assert_verdict(&s.gate->rows[0], QB_GATE_FAIL, "was edited");
    end(&s);
}

Test(gate_cells, rows_do_not_depend_on_order)
{
    struct sides s = begin(), t = begin();
    struct qb_text one = {0}, two = {0};
    struct qb_baseline_cell swap = t.now->cells[0];
    t.now->cells[0] = t.now->cells[1];
    t.now->cells[1] = swap;
    qb_baseline_sort(t.now);
    s.gate = case_gate(s.now, s.then, s.rules, false);
    t.gate = case_gate(t.now, t.then, t.rules, false);
    qb_gate_junit(s.gate, &one);
    qb_gate_junit(t.gate, &two);
    cr_assert_str_eq(one.data, two.data);
    qb_text_free(&one);
    qb_text_free(&two);
    end(&s);
    end(&t);
}

Test(gate_cells, only)
{
    struct sides s = begin();
    struct qb_error err = {0};
    struct qb_gate_options options = {.rules = s.rules, .alpha = 0.05, .only = {{{{"*", "*", "round*"}}}, 1}};
    cr_assert_eq(qb_gate_run(s.now, s.then, &options, &s.gate, &err), QB_OK);
    cr_assert_eq(case_count(s.gate), 3);
    end(&s);
}

/* Rules that decide nothing are rows: most of case_rules name what these runs lack; a list names each part. */
Test(gate_cells, rules_that_match_nothing_are_named)
{
    struct sides s = begin();
    struct qb_error err = {0};
    static const char text[] = "rules:\n"
                               "  - {variant: [v, vv], experiment: teacher-forced, metric: kl_mean, test: ignore}\n"
                               "  - {variant: w, metric: '*', test: identical}\n"
                               "  - {experiment: roundtrip, metric: [sqnr_db, max_abs_error], test: exact}\n"
                               "  - {experiment: teacher-forced, metric: kl_mean, test: exact}\n";
    qb_gate_rules_free(s.rules);
    cr_assert_eq(qb_gate_rules_parse(text, strlen(text), "r.yaml", &s.rules, &err), QB_OK, "%s", err.message);
    s.gate = case_gate(s.now, s.then, s.rules, false);
    static const char *const due[] = {
        "r.yaml:2: a part of the rule matched nothing: variant vv",
        "r.yaml:3: the rule matched nothing: metric * variant w",
        "r.yaml:4: a part of the rule matched nothing: metric max_abs_error",
        "r.yaml:5: the rule matched nothing: metric kl_mean variant *", /* the first rule takes it all */
    };
    cr_assert_eq(s.gate->verdicts[QB_GATE_UNMATCHED], 4);
    for (size_t i = 0; i < 4; i++) {
        const struct qb_gate_row *row = &s.gate->rows[case_count(s.gate) + i];
        cr_expect_eq(row->verdict, QB_GATE_UNMATCHED);
        cr_expect_str_eq(row->metric, "rule");
        cr_expect_str_eq(row->reason, due[i]);
    }
    cr_assert_eq(s.gate->compared, 1);
    end(&s);
}

/* A gate whose rules test nothing of these runs compares nothing, however many cells are alike. */
Test(gate_cells, nothing_compared_is_counted)
{
    struct sides s = begin();
    struct qb_error err = {0};
    static const char text[] = "rules:\n  - {variant: w, metric: '*', test: identical}\n";
    qb_gate_rules_free(s.rules);
    cr_assert_eq(qb_gate_rules_parse(text, strlen(text), "r.yaml", &s.rules, &err), QB_OK, "%s", err.message);
    s.gate = case_gate(s.now, s.then, s.rules, false);
    cr_assert_eq(s.gate->compared, 0);
    cr_assert_eq(s.gate->verdicts[QB_GATE_PASS], 2);
    struct qb_text out = {0};
    qb_gate_markdown_report(s.gate, &out);
    cr_assert_not_null(strstr(out.data, "Nothing was compared"), "%s", out.data);
    qb_text_free(&out);
    end(&s);
}

/* Another tokenizer is another subject, also where fresh inputs are allowed; where a side does not record it, the
 * inputs speak for themselves. */
Test(gate_cells, tokenizer)
{
    struct sides s = begin();
    case_hash(s.now->cells[FORCED].tokenizer_sha256, 'e');
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_PASS, "the same inputs");
    case_hash(s.then->cells[FORCED].tokenizer_sha256, 'f');
    cr_assert_verdict(gate_row(&s, true, "teacher-forced", "cell"), QB_GATE_FAIL, "tokenizer changed");
    struct qb_text text = {0};
    struct qb_baseline *back = NULL;
    struct qb_error err = {0};
    qb_baseline_print(s.then, &text);
    cr_assert_eq(qb_baseline_parse(text.data, text.size, "b.json", &back, &err), QB_OK, "%s", err.message);
    cr_assert_not(back->edited);
    cr_assert_str_eq(back->cells[FORCED].tokenizer_sha256, s.then->cells[FORCED].tokenizer_sha256);
    qb_baseline_free(back);
    qb_text_free(&text);
    end(&s);
}
