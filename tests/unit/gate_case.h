/* Baselines made by hand. For tests of the gate. */
#ifndef QB_TEST_GATE_CASE_H
#define QB_TEST_GATE_CASE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <criterion/criterion.h>
#include "base/mem.h"
#include "gate/gate.h"

enum { CASE_CELLS = 64, CASE_METRICS = 8 };

static inline char *case_text(const char *text)
{
    struct qb_error err = {0};
    char *copy = qb_strdup(text, &err);
    cr_assert_not_null(copy);
    return copy;
}

/* 64 times the letter: stands for a hash. */
static inline void case_hash(char out[QB_HASH_HEX], char letter)
{
    memset(out, letter, QB_HASH_HEX - 1);
    out[QB_HASH_HEX - 1] = '\0';
}

static inline struct qb_baseline *case_new(void)
{
    struct qb_error err = {0};
    struct qb_baseline *b = qb_alloc(1, sizeof *b, "case", &err);
    b->cells = qb_alloc(CASE_CELLS, sizeof *b->cells, "case", &err);
    b->path = case_text("case");
    b->program = case_text("0.1.0");
    b->suite = case_text("case");
    b->cpu = case_text("a processor");
    b->isa = case_text("avx2");
    b->threads = case_text("1");
    b->blas_core = case_text("");
    b->reason = case_text("");
    b->runs = 1;
    return b;
}

/* A done cell with inputs, model, options, one codec; cells are added in their order. */
static inline struct qb_baseline_cell *case_cell(struct qb_baseline *b, const char *model, const char *variant,
                                                 const char *experiment)
{
    struct qb_error err = {0};
    cr_assert_lt(b->count, CASE_CELLS);
    struct qb_baseline_cell *cell = &b->cells[b->count++];
    *cell = (struct qb_baseline_cell){.model = case_text(model),
                                      .variant = case_text(variant),
                                      .experiment = case_text(experiment),
                                      .message = case_text(""),
                                      .options = case_text("steps=10"),
                                      .definition = case_text("variant v codec=qins8/1(scope=tensor)")};
    case_hash(cell->inputs, 'a');
    case_hash(cell->model_sha256, 'b');
    cell->codecs = qb_alloc(1, sizeof *cell->codecs, "case", &err);
    cell->codec_count = 1;
    cell->codecs[0].id = case_text("qins8");
    cell->codecs[0].version = case_text("1");
    case_hash(cell->codecs[0].sha256, 'c');
    cell->tensors = qb_alloc(4, sizeof *cell->tensors, "case", &err);
    cell->metrics = qb_alloc(CASE_METRICS, sizeof *cell->metrics, "case", &err);
    return cell;
}

static inline struct qb_baseline_metric *case_metric(struct qb_baseline_cell *cell, const char *name, const char *unit,
                                                     enum qb_direction direction, double value)
{
    cr_assert_lt(cell->metric_count, CASE_METRICS);
    struct qb_baseline_metric *m = &cell->metrics[cell->metric_count++];
    *m = (struct qb_baseline_metric){.direction = direction, .value = value};
    snprintf(m->name, sizeof m->name, "%s", name);
    snprintf(m->unit, sizeof m->unit, "%s", unit);
    return m;
}

/* Totals; the value is what they give. weight NULL: 1 each. */
static inline void case_sample(struct qb_baseline_metric *m, enum qb_transform transform, const double *sum,
                               const double *weight, size_t n)
{
    struct qb_error err = {0};
    double total = 0, all = 0;
    qb_sample_free(&m->sample);
    m->sample = (struct qb_sample){.transform = transform, .clusters = n, .unit = "chunks"};
    m->sample.kind = transform == QB_PERCENT ? QB_KIND_SHARE : QB_KIND_REAL;
    m->sample.icc = 0.05;
    m->sample.sum = qb_alloc(n, sizeof(double), "case", &err);
    m->sample.weight = qb_alloc(n, sizeof(double), "case", &err);
    for (size_t i = 0; i < n; i++) {
        m->sample.sum[i] = sum[i];
        m->sample.weight[i] = weight ? weight[i] : 1;
        total += sum[i];
        all += m->sample.weight[i];
    }
    m->sample.n = (uint64_t)all;
    m->value = qb_transform(transform, total / all);
}

static inline void case_runs(struct qb_baseline_metric *m, const struct qb_baseline_run *runs, size_t n)
{
    struct qb_error err = {0};
    qb_free(m->runs);
    m->runs = qb_alloc(n, sizeof *runs, "case", &err);
    memcpy(m->runs, runs, n * sizeof *runs);
    m->run_count = n;
    m->value = runs[0].value;
}

static inline void case_set(char **text, const char *to)
{
    qb_free(*text);
    *text = case_text(to);
}

/* ---- a gate over two of them ---- */

static const char case_rules_text[] =
    "rules:\n"
    "  - {experiment: teacher-forced, metric: kl_mean, test: non-inferiority, margin: {relative: 0.05}}\n"
    "  - {experiment: teacher-forced, metric: top1_agreement, test: non-inferiority, margin: {absolute: 0.5}}\n"
    "  - {experiment: teacher-forced, metric: perplexity_ratio, test: non-inferiority, margin: {relative: 0.005}}\n"
    "  - {experiment: teacher-forced, metric: calibration_overlap, test: ignore}\n"
    "  - {experiment: memory, metric: '*', test: identical}\n"
    "  - {experiment: roundtrip, metric: encoded_sha256, test: identical}\n"
    "  - {experiment: roundtrip, metric: sqnr_db, test: exact, margin: {absolute: 0.01}}\n"
    "  - {experiment: speed, metric: weight_decode_lookup_fraction, test: ratio, margin: {relative: 0.04}}\n"
    "  - {experiment: speed, metric: sgemm_gflops, test: ceiling, margin: {relative: 0.15}}\n"
    "  - {experiment: speed, metric: '*', test: ratio, margin: {relative: 0.04}}\n";

static inline struct qb_gate_rules *case_rules(void)
{
    struct qb_error err = {0};
    struct qb_gate_rules *rules = NULL;
    cr_assert_eq(qb_gate_rules_parse(case_rules_text, strlen(case_rules_text), "rules.yaml", &rules, &err), QB_OK, "%s",
                 err.message);
    return rules;
}

static inline struct qb_gate *case_gate(const struct qb_baseline *result, const struct qb_baseline *baseline,
                                        const struct qb_gate_rules *rules, bool fresh)
{
    struct qb_error err = {0};
    struct qb_gate *gate = NULL;
    struct qb_gate_options options = {.rules = rules, .alpha = 0.05, .fresh_inputs = fresh};
    cr_assert_eq(qb_gate_run(result, baseline, &options, &gate, &err), QB_OK, "%s", err.message);
    return gate;
}

static inline const struct qb_gate_row *case_row(const struct qb_gate *gate, const char *variant, const char *metric)
{
    for (size_t i = 0; i < gate->count; i++)
        if (!strcmp(gate->rows[i].variant, variant) && !strcmp(gate->rows[i].metric, metric))
            return &gate->rows[i];
    cr_assert_fail("no row %s %s", variant, metric);
    return NULL;
}

/* Rows about cells and metrics: those about rules that matched nothing stand behind them. */
static inline size_t case_count(const struct qb_gate *gate)
{
    return gate->count - gate->verdicts[QB_GATE_UNMATCHED];
}

#define cr_assert_verdict(row, expected, part)                                                                         \
    do {                                                                                                               \
        cr_assert_eq((row)->verdict, expected, "%s: %s", qb_gate_verdict_name((row)->verdict), (row)->reason);         \
        cr_assert_not_null(strstr((row)->reason, part), "expected '%s' in '%s'", part, (row)->reason);                 \
    } while (0)

#endif
