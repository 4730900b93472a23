/* The baseline file: it reads back exactly, an edit is seen, damage is refused by place, and what accepting refuses. */
#include "gate_case.h"

#include "base/rng.h"
#include "planted_result.h"
#include "scratch.h"

/* Awkward numbers and texts. */
static struct qb_baseline *sample_case(void)
{
    static const double sum[] = {0.1, -0.0, 1e-300, 12345678.9012345678, 255}, weight[] = {1, 2, 3, 4, 5};
    static const struct qb_baseline_run runs[] = {{1.0 / 3, 0.3, 0.4}, {0.5, NAN, NAN}};
    struct qb_baseline *b = case_new();
    struct qb_baseline_cell *cell = case_cell(b, "m", "v", "speed");
    case_runs(case_metric(cell, "decode_overhead", "ratio", QB_LOWER_IS_BETTER, 0), runs, 2);
    cell = case_cell(b, "m", "v", "teacher-forced");
    case_set(&cell->message, "a \"quote\", a \\ and \xc3\xa9");
    case_sample(case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, 0), QB_AS_IS, sum, weight, 5);
    struct qb_baseline_metric *m = case_metric(cell, "perplexity_ratio", "ratio", QB_LOWER_IS_BETTER, NAN);
    m->flags = QB_FLAG_DEGENERATE | QB_FLAG_NONFINITE | QB_FLAG_CONTAMINATED;
    cell->tensors[0].name = case_text("layers.0.attn");
    case_hash(cell->tensors[0].sha256, 'd');
    cell->tensor_count = 1;
    b->runs = 2;
    b->forced = true;
    case_set(&b->reason, "because");
    return b;
}

static struct qb_text printed(const struct qb_baseline *b)
{
    struct qb_text text = {0};
    qb_baseline_print(b, &text);
    cr_assert_not(text.failed);
    return text;
}

Test(gate_baseline, reads_back_exactly)
{
    struct qb_error err = {0};
    struct qb_baseline *b = sample_case(), *read = NULL;
    struct qb_text text = printed(b), again;
    cr_assert_eq(qb_baseline_parse(text.data, text.size, "b.json", &read, &err), QB_OK, "%s", err.message);
    cr_assert_not(read->edited);
    again = printed(read);
    cr_assert_str_eq(text.data, again.data);
    const struct qb_baseline_metric *m = qb_baseline_metric_of(&read->cells[1], "kl_mean");
    const struct qb_sample *from = &b->cells[1].metrics[0].sample;
    cr_assert_eq(memcmp(m->sample.sum, from->sum, 5 * sizeof(double)), 0);
    cr_assert_eq(memcmp(m->sample.weight, from->weight, 5 * sizeof(double)), 0);
    cr_assert_eq(memcmp(&m->value, &b->cells[1].metrics[0].value, sizeof(double)), 0);
    cr_assert_eq(read->cells[1].metrics[1].flags, b->cells[1].metrics[1].flags);
    cr_assert(isnan(read->cells[1].metrics[1].value) && isnan(read->cells[0].metrics[0].runs[1].lo));
    cr_assert_eq(qb_baseline_moved(b, read, &again), 0);
    qb_text_free(&text);
    qb_text_free(&again);
    qb_baseline_free(read);
    qb_baseline_free(b);
}

/* An exact codec's infinite SQNR, one that came out as NaN, and a size that is absent: three things in the file. */
Test(gate_baseline, infinite_nan_and_absent_read_back)
{
    struct qb_error err = {0};
    struct qb_baseline *b = case_new(), *read = NULL;
    struct qb_baseline_cell *cell = case_cell(b, "m", "v", "roundtrip");
    static const double values[] = {INFINITY, -INFINITY, NAN, NAN};
    static const uint32_t flags[] = {0, 0, QB_FLAG_NONFINITE, QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL};
    static const char *const names[] = {"sqnr_db", "sqnr_db_gaussian", "sqnr_db_uniform", "relative_error"};
    static const char *const says[] = {"\"inf\"", "\"-inf\"", "\"nan\"", "null"};
    for (int i = 0; i < 4; i++)
        case_metric(cell, names[i], "dB", QB_HIGHER_IS_BETTER, values[i])->flags = flags[i];
    struct qb_text text = printed(b);
    for (int i = 0; i < 4; i++) {
        char line[160];
        snprintf(line, sizeof line, "\"name\": \"%s\", \"unit\": \"dB\", \"better\": \"higher\", \"value\": %s,",
                 names[i], says[i]);
        cr_assert_not_null(strstr(text.data, line), "%s in %s", line, text.data);
    }
    cr_assert_eq(qb_baseline_parse(text.data, text.size, "b.json", &read, &err), QB_OK, "%s", err.message);
    cr_assert_not(read->edited);
    for (int i = 0; i < 4; i++) {
        double value = read->cells[0].metrics[i].value;
        cr_assert(value == values[i] || (isnan(value) && isnan(values[i])), "%s", names[i]);
        cr_assert_eq(read->cells[0].metrics[i].flags, flags[i]);
    }
    qb_text_free(&text);
    qb_baseline_free(read);
    qb_baseline_free(b);
}

/* Replaces the first `from` in the JSON and parses it. */
static enum qb_status replaced(const char *from, const char *to, struct qb_baseline **read, struct qb_error *err)
{
    struct qb_baseline *b = sample_case();
    struct qb_text text = printed(b), other = {0};
    const char *at = strstr(text.data, from);
    cr_assert_not_null(at, "%s", from);
    qb_text_bytes(&other, text.data, (size_t)(at - text.data));
    qb_text_add(&other, "%s%s", to, at + strlen(from));
    *err = (struct qb_error){0};
    enum qb_status s = qb_baseline_parse(other.data, other.size, "b.json", read, err);
    qb_text_free(&text);
    qb_text_free(&other);
    qb_baseline_free(b);
    return s;
}

Test(gate_baseline, an_edit_is_seen)
{
    static const struct {
        const char *from, *to;
        bool edited;
    } cases[] = {
        {"255", "256", true},
        {"\"weight\": [1,", "\"weight\": [2,", true},
        {"\"runs\": 2", "\"runs\": 3", true},
        {"because", "because of", true},
        {"dddd", "ddde", true},
        {"\"better\": \"lower\"", "\"better\": \"higher\"", true},
        {"\"digest\": \"", "\"digest\": \"0", true}, /* one digit too many */
        {"\"forced\": true", "\"forced\": false", true},
        {"  \"version\": 1", "\"version\":    1", false}, /* blanks are no content */
        {"255", "255.0", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error err;
        struct qb_baseline *read = NULL;
        cr_assert_eq(replaced(cases[i].from, cases[i].to, &read, &err), QB_OK, "%s", err.message);
        cr_assert_eq(read->edited, cases[i].edited, "case %zu", i);
        qb_baseline_free(read);
    }
}

Test(gate_baseline, a_digest_that_is_missing)
{
    struct qb_baseline *b = sample_case(), *read = NULL;
    struct qb_error err = {0};
    struct qb_text text = printed(b);
    char *at = strstr(text.data, ",\n  \"digest\"");
    memcpy(at, "}", 2);
    cr_assert_eq(qb_baseline_parse(text.data, strlen(text.data), "b.json", &read, &err), QB_OK, "%s", err.message);
    cr_assert(read->edited);
    qb_text_free(&text);
    qb_baseline_free(b);
    qb_baseline_free(read);
}

Test(gate_baseline, damage_is_refused_by_place)
{
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"{", "", "b.json:2: no JSON"},
        {"qinsbench-baseline", "another", "b.json: format: expected \"qinsbench-baseline\""},
        {"\"version\": 1", "\"version\": 2", "b.json: version: expected 1"},
        {"\"program\"", "\"programme\"", "b.json: unknown key 'programme'"},
        {"\"runs\": 2", "\"runs\": 0", "b.json: runs: expected an integer from 1 to 1000"},
        {"\"runs\": 2", "\"runs\": \"2\"", "b.json: runs: expected an integer"},
        {"\"model\": \"m\"", "\"model\": \"../m\"", "b.json: cells[0].model: expected 1 to 100 of"},
        {"\"state\": \"done\"", "\"state\": \"do\"", "b.json: cells[0].state: expected done, failed or skipped"},
        {"\"experiment\": \"speed\"", "\"experiment\": \"teacher-forced\"", "is there twice"},
        {"aaaa", "aaag", "b.json: cells[0].inputs: expected 64 hexadecimal digits"},
        {"[0.33", "[\"0.33\", 0.33", "b.json: cells[0].metrics[0].runs[0]: expected [value, lo, hi]"},
        {"0.3333333333333333", "NaN", "no JSON"},
        {"255", "1e999", "no JSON"},
        {"255", "null", "b.json: cells[1].metrics[0].sum[4]: expected a number, found null"},
        {"\"weight\": [1, 2, 3, 4, 5]", "\"weight\": [1, 2, 3, 4]",
         "cells[1].metrics[0].weight: expected a number or 5"},
        {"\"weight\": [1,", "\"weight\": [0,", "cells[1].metrics[0].weight: expected numbers above 0"},
        {"\"weight\": [1, 2, 3, 4, 5]", "\"weight\": -1", "cells[1].metrics[0].weight: expected numbers above 0"},
        {"\"transform\": \"none\"", "\"transform\": \"log\"", "expected none, percent or exp, found 'log'"},
        {"\"value\": \"nan\"", "\"value\": null", "cells[1].metrics[1].value: null, and no flag absent"},
        {"\"value\": \"nan\"", "\"value\": \"NaN\"",
         "expected a number, \"inf\", \"-inf\", \"nan\" or null, found a text NaN"},
        {"\"flags\": \"degenerate,nonfinite,", "\"flags\": \"absent,", "value: a value, and the flag absent"},
        {"degenerate", "degenerated", "cells[1].metrics[1].flags: no flag 'degenerated'"},
        {"kl_mean", "KL mean", "cells[1].metrics[0].name: expected [a-z0-9_]+"},
        {"kl_mean", "a_name_that_is_longer_than_any_metric_may_have", "name: expected a text of at most 39 bytes"},
        {"perplexity_ratio", "kl_mean", "the metric 'kl_mean' is there twice"},
        {"\"suite\": \"case\"", "\"suite\": \"case\", \"suite\": \"case\"", "no JSON: duplicate"},
        {"\"cells\": [", "\"cells\": [7, ", "b.json: cells[0]: expected an object, found an integer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_error err;
        struct qb_baseline *read = NULL;
        cr_assert_eq(replaced(cases[i].from, cases[i].to, &read, &err), QB_ERR_INPUT, "case %zu is accepted", i);
        cr_assert_null(read);
        cr_assert_not_null(strstr(err.message, cases[i].message), "case %zu: %s", i, err.message);
    }
}

/* Every cut of the file is refused or seen as edited, and no allocation that fails is missed. */
Test(gate_baseline, cuts_and_refused_memory)
{
    struct qb_baseline *b = sample_case(), *read = NULL;
    struct qb_text text = printed(b);
    for (size_t size = 0; size + 2 < text.size; size += 7) {
        struct qb_error err = {0};
        cr_assert_eq(qb_baseline_parse(text.data, size, "b.json", &read, &err), QB_ERR_INPUT, "cut at %zu", size);
    }
    size_t n = 1;
    for (enum qb_status s = QB_ERR_MEMORY; s && n < 1000; n++) {
        struct qb_error err = {0};
        qb_mem_fail_at(n);
        s = qb_baseline_parse(text.data, text.size, "b.json", &read, &err);
        qb_mem_fail_at(0);
        cr_assert(!s || s == QB_ERR_MEMORY, "%s", err.message);
    }
    cr_assert(n > 20 && n < 1000);
    qb_baseline_free(read);
    qb_baseline_free(b);
    qb_text_free(&text);
}

/* Random bytes in random places: refused, or seen as edited, or without effect on the content. */
Test(gate_baseline, random_damage)
{
    struct qb_rng rng;
    struct qb_baseline *b = sample_case();
    struct qb_text text = printed(b);
    size_t refused = 0, edited = 0;
    qb_rng_seed(&rng, 7);
    for (size_t i = 0; i < 4000; i++) {
        struct qb_error err = {0};
        struct qb_baseline *read = NULL;
        size_t at = qb_rng_randint(&rng, (uint32_t)text.size);
        char was = text.data[at];
        text.data[at] = (char)qb_rng_randint(&rng, 256);
        enum qb_status s = qb_baseline_parse(text.data, text.size, "b.json", &read, &err);
        cr_assert(!s || (s == QB_ERR_INPUT && err.message[0]), "%d: %s", (int)s, err.message);
        refused += s != 0;
        if (read) {
            struct qb_text again = printed(read);
            text.data[at] = was;
            cr_assert(read->edited || strcmp(again.data, text.data) == 0, "byte %zu", at);
            edited += read->edited;
            qb_text_free(&again);
        }
        text.data[at] = was;
        qb_baseline_free(read);
    }
    cr_assert(refused > 100 && edited > 100, "%zu refused, %zu edited", refused, edited);
    qb_text_free(&text);
    qb_baseline_free(b);
}

/* ---- accepting ---- */

Test(gate_baseline, refusals)
{
    static const struct {
        uint32_t flags;
        double value;
        const char *part;
    } cases[] = {
        {0, 0.1, NULL},
        {QB_FLAG_NO_INTERVAL, 0.1, NULL},
        {QB_FLAG_DEGENERATE, 0.1, "m/v/teacher-forced/kl_mean: degenerate"},
        {QB_FLAG_UNRESOLVED, 0.1, "not resolved"},
        {QB_FLAG_CONTAMINATED, 0.1, "contaminated"},
        {QB_FLAG_BIASED, 0.1, "biased: FP32 over FP32 was not 1"},
        {QB_FLAG_NONFINITE, NAN, "not finite"},
        {QB_FLAG_NONFINITE, INFINITY, "not finite"},
        {0, INFINITY, NULL},                               /* an exact codec's */
        {QB_FLAG_ABSENT | QB_FLAG_NO_INTERVAL, NAN, NULL}, /* and absent it has to stay */
    };
    struct qb_gate_rules *rules = case_rules();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_text why = {0};
        struct qb_baseline *b = case_new();
        struct qb_baseline_cell *cell = case_cell(b, "m", "v", "teacher-forced");
        case_metric(cell, "kl_mean", "nat", QB_LOWER_IS_BETTER, cases[i].value)->flags = cases[i].flags;
        case_metric(cell, "kl_max", "nat", QB_LOWER_IS_BETTER, NAN); /* not gated */
        cr_assert_eq(qb_baseline_refusals(b, rules, &why), cases[i].part ? 1 : 0);
        cr_assert(!cases[i].part || strstr(why.data, cases[i].part), "%s", why.data);
        qb_baseline_keep_gated(b, rules);
        cr_assert(cell->metric_count == 1 && !strcmp(cell->metrics[0].name, "kl_mean"));
        cell->state = QB_CELL_FAILED;
        cr_assert_eq(qb_baseline_refusals(b, rules, &why), cases[i].part ? 2 : 1);
        qb_text_free(&why);
        qb_baseline_free(b);
    }
    qb_gate_rules_free(rules);
}

Test(gate_baseline, several_runs)
{
    struct qb_error err = {0};
    struct qb_baseline *b = sample_case(), *more = sample_case();
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_OK, "%s", err.message);
    cr_assert(b->runs == 4 && b->cells[0].metrics[0].run_count == 4);
    cr_assert_float_eq(b->cells[0].metrics[0].value, 1.0 / 3, 1e-15); /* of 1/3 and 1/3: both 1/2 have no interval */
    cr_assert_null(b->cells[1].metrics[0].runs);
    case_hash(more->cells[1].inputs, 'e');
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_ERR_INPUT);
    cr_assert_str_eq(err.message, "case: m/v/teacher-forced: another inputs than in the first result file");
    case_hash(more->cells[1].inputs, 'a');
    case_set(&more->cpu, "another");
    err = (struct qb_error){0};
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "another machine"), "%s", err.message);
    case_set(&more->cpu, "a processor");
    case_set(&more->blas_core, "another");
    err = (struct qb_error){0};
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "BLAS core 'another'"), "%s", err.message);
    case_set(&more->blas_core, "");
    more->mixed = case_text("cpu 'x' in m/v, 'y' in m/w");
    err = (struct qb_error){0};
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "of several machines: cpu 'x' in m/v, 'y' in m/w"), "%s", err.message);
    qb_free(more->mixed);
    more->mixed = NULL;
    case_set(&more->cells[1].variant, "w");
    err = (struct qb_error){0};
    cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_ERR_INPUT);
    cr_assert_not_null(strstr(err.message, "no cell m/v/teacher-forced"), "%s", err.message);
    qb_baseline_free(b);
    qb_baseline_free(more);
}

/* A biased run among others stays in the list without an interval and does not spoil them; alone it flags the metric.
 */
Test(gate_baseline, biased_runs)
{
    static const struct qb_baseline_run biased = {0.9, NAN, NAN}, fair = {0.5, 0.4, 0.6};
    for (int first = 0; first < 2; first++)
        for (int second = 0; second < 2; second++) {
            struct qb_error err = {0};
            struct qb_baseline *b = sample_case(), *more = sample_case();
            struct qb_baseline_metric *m = &b->cells[0].metrics[0], *n = &more->cells[0].metrics[0];
            case_runs(m, first ? &biased : &fair, 1);
            case_runs(n, second ? &biased : &fair, 1);
            m->flags = first ? QB_FLAG_BIASED : 0;
            n->flags = second ? QB_FLAG_BIASED : 0;
            cr_assert_eq(qb_baseline_add_run(b, more, &err), QB_OK, "%s", err.message);
            cr_expect_eq(m->flags, first && second ? QB_FLAG_BIASED : 0);
            cr_expect_eq(m->run_count, 2);
            cr_expect_float_eq(m->value, first && second ? 0.9 : 0.5, 1e-15);
            qb_baseline_free(b);
            qb_baseline_free(more);
        }
}

Test(gate_baseline, what_moved)
{
    struct qb_text out = {0};
    struct qb_baseline *from = sample_case(), *to = sample_case();
    to->cells[1].metrics[0].value *= 2;
    case_hash(to->cells[1].tensors[0].sha256, 'e');
    case_set(&to->cells[0].variant, "w");
    cr_assert_eq(qb_baseline_moved(from, to, &out), 4);
    cr_assert_not_null(strstr(out.data, "m/v/speed: gone\nm/w/speed: new\n"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "m/v/teacher-forced/kl_mean: "), "%s", out.data);
    cr_assert_not_null(strstr(out.data, " nat (+100%)"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "encoded bytes of 1 of 1 tensors"), "%s", out.data);
    qb_text_free(&out);
    qb_baseline_free(from);
    qb_baseline_free(to);
}

/* ---- from a result file ---- */

Test(gate_baseline, from_a_result_file, .init = scratch_begin, .fini = scratch_end)
{
    struct planted p = {0};
    struct qb_error err = {0};
    struct qb_baseline *b = NULL;
    size_t n = 12;
    static const char *const names[] = {"attn", "mlp"};
    char hashes[2][QB_HASH_HEX];
    const char *list[] = {hashes[0], hashes[1]};
    struct qb_cell *cell = planted_cell(&p, "m", "v", "teacher-forced");
    case_hash(cell->inputs, 'a');
    cell->options = case_text("rows=1");
    int32_t *chunk = qb_record_add(&cell->record, "chunk", QB_I32, 1, &n, "1", "chunk", &err);
    double *kl = qb_record_add(&cell->record, "kl", QB_F64, 1, &n, "nat", "kl", &err);
    for (size_t i = 0; i < n; i++) {
        chunk[i] = (int32_t)(i / 4);
        kl[i] = (double)(i + 1);
    }
    planted_measure(cell);
    planted_cell(&p, "m", "reference", "teacher-forced");
    cell = planted_cell(&p, "m", "v", "roundtrip");
    case_hash(hashes[0], 'd');
    case_hash(hashes[1], 'e');
    cr_assert_eq(qb_record_text(&cell->record, "tensor", names, 2, "names", &err), QB_OK);
    cr_assert_eq(qb_record_text(&cell->record, "encoded_sha256", list, 2, "hashes", &err), QB_OK);
    planted_fact(&p, "cpu", "a processor");
    planted_fact(&p, "variant.v", "variant v codec=qins8/3(scope=tensor) path=decode");
    planted_fact(&p, "codecs.v", "qins8");
    planted_fact(&p, "codec.qins8.version", "3");
    planted_fact(&p, "codec.qins8.sha256", "0123");
    planted_fact(&p, "codec.qins.version", "9"); /* of another variant */
    planted_fact(&p, "model.m.sha256", "beef");
    planted_write(&p, scratch_path("r.h5"));
    cr_assert_eq(qb_baseline_load(scratch_path("r.h5"), &b, &err), QB_OK, "%s", err.message);
    cr_assert_eq(b->count, 2);
    const struct qb_baseline_cell *forced = qb_baseline_find(b, "m", "v", "teacher-forced");
    const struct qb_baseline_metric *mean = qb_baseline_metric_of(forced, "kl_mean");
    cr_assert(mean->value == 6.5 && mean->sample.clusters == 3 && mean->sample.sum[1] == 5 + 6 + 7 + 8 &&
              mean->sample.weight[2] == 4);
    cr_assert(!strcmp(forced->options, "rows=1") && forced->inputs[0] == 'a' && !strcmp(forced->model_sha256, "beef"));
    cr_assert(forced->codec_count == 1 && !strcmp(forced->codecs[0].id, "qins8") &&
              !strcmp(forced->codecs[0].version, "3") && !strcmp(forced->codecs[0].sha256, "0123"));
    const struct qb_baseline_cell *round = qb_baseline_find(b, "m", "v", "roundtrip");
    cr_assert(round->tensor_count == 2 && !strcmp(round->tensors[1].name, "mlp") && round->tensors[1].sha256[0] == 'e');
    cr_assert_str_eq(b->cpu, "a processor");
    qb_baseline_free(b);
    planted_free(&p);
}

/* A file whose last run was on processor B: its timed cells are B's, one of them A's, or all of them A's. */
Test(gate_baseline, a_result_file_of_several_machines, .init = scratch_begin, .fini = scratch_end)
{
    static const char *const variants[] = {"v", "w"};
    for (int from_a = 0; from_a < 3; from_a++) {
        struct planted p = {0};
        struct qb_error err = {0};
        struct qb_baseline *b = NULL;
        struct qb_text why = {0};
        struct qb_gate_rules *rules = case_rules();
        for (int v = 0; v < 2; v++) {
            struct qb_cell *cell = planted_cell(&p, "m", variants[v], "speed");
            planted_value(&p, v ? "m/w/speed/decode_overhead" : "m/v/speed/decode_overhead", 1.5, 6)->flags = 0;
            qb_provenance_add(&cell->facts, "cpu", v < from_a ? "processor A" : "processor B", &err);
            qb_provenance_add(&cell->facts, "threads", "1", &err);
        }
        planted_fact(&p, "cpu", "processor B");
        planted_fact(&p, "threads", "2");
        planted_write(&p, scratch_path("r.h5"));
        cr_assert_eq(qb_baseline_load(scratch_path("r.h5"), &b, &err), QB_OK, "%s", err.message);
        cr_expect_str_eq(b->cpu, from_a == 0 ? "processor B" : from_a == 1 ? "" : "processor A");
        cr_expect_str_eq(b->threads, from_a == 1 ? "" : "1");
        cr_expect_eq(b->mixed != NULL, from_a == 1);
        cr_expect_eq(qb_baseline_refusals(b, rules, &why), from_a == 1 ? 1 : 0, "%s", why.data ? why.data : "");
        if (from_a == 1) {
            cr_expect_str_eq(b->mixed, "cpu 'processor A' in m/v, 'processor B' in m/w");
            cr_expect_not_null(strstr(why.data, "timed cells of several machines: cpu 'processor A'"));
        }
        qb_text_free(&why);
        qb_gate_rules_free(rules);
        qb_baseline_free(b);
        planted_free(&p);
    }
}

/* A hash that is none comes from a stranger's result. */
Test(gate_baseline, what_could_not_be_read_again_is_not_written, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_baseline *b = sample_case(), *read = NULL;
    struct qb_error err = {0};
    const char *path = scratch_path("b.json");
    cr_assert_eq(qb_baseline_save(b, path, &err), QB_OK, "%s", err.message);
    memcpy(b->cells[1].model_sha256, "no hash", 8);
    cr_expect_eq(qb_baseline_save(b, path, &err), QB_ERR_INPUT);
    cr_expect(strstr(err.message, "nothing is written") && strstr(err.message, "model_sha256"), "%s", err.message);
    err = (struct qb_error){0};
    cr_assert_eq(qb_baseline_load(path, &read, &err), QB_OK, "%s", err.message);
    cr_expect_str_neq(read->cells[1].model_sha256, "no hash", "the first one stays");
    qb_baseline_free(read);
    qb_baseline_free(b);
}

Test(gate_baseline, files_that_are_neither, .init = scratch_begin, .fini = scratch_end)
{
    struct qb_error err = {0};
    struct qb_baseline *b = NULL;
    cr_assert_neq(qb_baseline_load(scratch_path("gone.json"), &b, &err), QB_OK);
    cr_assert_neq(qb_baseline_load(scratch_write("x.json", "hello", 5), &b, &err), QB_OK);
    cr_assert_neq(qb_baseline_load(scratch_write("y.json", "{}", 2), &b, &err), QB_OK);
    cr_assert_neq(qb_baseline_load(scratch_write("z.json", "", 0), &b, &err), QB_OK);
    cr_assert_null(b);
}

/* ---- what must not replace a baseline unsaid ---- */

enum { TENSORS = 2 };

static struct qb_baseline *accepted_case(void)
{
    struct qb_baseline *b = case_new();
    struct qb_baseline_cell *cell = case_cell(b, "m", "v", "roundtrip");
    case_metric(cell, "sqnr_db", "dB", QB_HIGHER_IS_BETTER, 35);
    for (size_t i = 0; i < TENSORS; i++) {
        cell->tensors[i].name = case_text(i ? "mlp" : "attn");
        case_hash(cell->tensors[i].sha256, 'd');
    }
    cell->tensor_count = TENSORS;
    return b;
}

static void other_bytes(struct qb_baseline *b)
{
    case_hash(b->cells[0].tensors[1].sha256, 'e');
}
static void other_version(struct qb_baseline *b)
{
    other_bytes(b);
    case_set(&b->cells[0].codecs[0].version, "2");
    case_set(&b->cells[0].definition, "variant v codec=qins8/2(scope=tensor)");
}
static void other_version_and_scope(struct qb_baseline *b)
{
    other_version(b);
    case_set(&b->cells[0].definition, "variant v codec=qins8/2(scope=row)");
}
static void other_plugin(struct qb_baseline *b)
{
    case_hash(b->cells[0].codecs[0].sha256, 'e'); /* rebuilt */
}
static void other_scope(struct qb_baseline *b)
{
    other_bytes(b); /* follows from the definition: said once */
    case_set(&b->cells[0].definition, "variant v codec=qins8/1(scope=row)");
}
static void other_model(struct qb_baseline *b)
{
    case_hash(b->cells[0].model_sha256, 'e');
}
static void other_inputs(struct qb_baseline *b)
{
    case_hash(b->cells[0].inputs, 'e');
}
static void other_options(struct qb_baseline *b)
{
    case_set(&b->cells[0].options, "steps=11");
}
static void other_value(struct qb_baseline *b)
{
    b->cells[0].metrics[0].value = 30;
}
static void another_name(struct qb_baseline *b)
{
    case_set(&b->cells[0].variant, "w");
}
static void no_metric(struct qb_baseline *b)
{
    qb_baseline_drop(&b->cells[0], 0);
}

Test(gate_baseline, another_meaning_of_an_old_name_needs_a_reason)
{
    static const struct {
        void (*change)(struct qb_baseline *);
        const char *said;
    } cases[] = {
        {other_bytes, "m/v/roundtrip: encoded bytes changed under the same codec version\n"},
        {other_version, ""},
        {other_version_and_scope, "m/v/roundtrip: another definition of the variant under the same name\n"},
        {other_plugin, ""},
        {other_scope, "m/v/roundtrip: another definition of the variant under the same name\n"},
        {other_model, "m/v/roundtrip: another model under the same name\n"},
        {other_inputs, "m/v/roundtrip: other inputs\n"},
        {other_options, "m/v/roundtrip: other experiment options\n"},
        {other_value, ""},
        {another_name, "m/v/roundtrip: gone\n"},
        {no_metric, "m/v/roundtrip/sqnr_db: gone\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct qb_baseline *from = accepted_case(), *to = accepted_case();
        struct qb_text said = {0};
        cases[i].change(to);
        cr_expect_eq(qb_baseline_replaced(from, to, &said), cases[i].said[0] ? 1u : 0u, "case %zu", i);
        cr_expect_str_eq(said.data ? said.data : "", cases[i].said, "case %zu", i);
        qb_text_free(&said);
        qb_baseline_free(from);
        qb_baseline_free(to);
    }
}
