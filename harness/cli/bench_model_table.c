/* What `bench model` measured: llama-bench's columns where it has them, beside our own. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "base/text_format.h"
#include "base/turns.h"
#include "bench_model.h"
#include "metric/stats.h"

/* ---- numbers ---- */

struct median {
    double value, lo, hi; /* lo, hi: 95% interval by order statistics; NaN: none */
};

static const struct median no_median = {NAN, NAN, NAN};

/* Of x[n]; none where one of them is NaN. */
static struct median median_of(const double *x, size_t n)
{
    struct median m = no_median;
    struct qb_error err = {0};
    double *scratch = qb_alloc(n, sizeof *scratch, "a median", &err);
    if (scratch)
        qb_quantile_interval(x, NULL, n, 0.5, 0.95, scratch, &m.value, &m.lo, &m.hi);
    qb_free(scratch);
    return m;
}

struct row {
    const struct qb_bench_result *of;
    const struct qb_bench_test *test;
    size_t arm;
    int digits; /* of a number; 0: all that it has */
    double *x;  /* [repeats]: scratch */
};

static const struct qb_bench_arm_times *times(const struct row *row)
{
    return &row->test->arms[row->arm];
}

static const struct qb_arm_facts *facts(const struct row *row)
{
    return &row->of->arms[row->arm].facts;
}

static double tokens(const struct row *row)
{
    return (double)(row->test->tokens * row->test->sequences);
}

/* Speed over that of another arm, repeat by repeat. */
static struct median ratio_to(const struct row *row, size_t other)
{
    const double *mine = times(row)->seconds, *theirs = row->test->arms[other].seconds;
    for (size_t r = 0; r < row->of->repeats; r++)
        row->x[r] = theirs[r] / mine[r];
    return median_of(row->x, row->of->repeats);
}

static struct median share(const struct row *row)
{
    const struct qb_bench_arm_times *t = times(row);
    for (size_t r = 0; r < row->of->repeats; r++)
        row->x[r] = t->work / t->seconds[r] / t->limit[r] / 1e9;
    return median_of(row->x, row->of->repeats);
}

static struct median rate(const struct row *row)
{
    for (size_t r = 0; r < row->of->repeats; r++)
        row->x[r] = tokens(row) / times(row)->seconds[r];
    return median_of(row->x, row->of->repeats);
}

static struct median joules(const struct row *row)
{
    for (size_t r = 0; r < row->of->repeats; r++)
        row->x[r] = times(row)->joules[r] / tokens(row);
    return median_of(row->x, row->of->repeats);
}

static double scaled(const struct row *row, size_t r, bool rates)
{
    const double seconds = times(row)->seconds[r];
    return rates ? tokens(row) / seconds : seconds * 1e9;
}

static double mean(const struct row *row, bool rates)
{
    double sum = 0;
    for (size_t r = 0; r < row->of->repeats; r++)
        sum += scaled(row, r, rates);
    return sum / (double)row->of->repeats;
}

/* Of the sample, as llama-bench has it: over n - 1. */
static double deviation(const struct row *row, bool rates)
{
    const double m = mean(row, rates), n = (double)row->of->repeats;
    double sum = 0;
    for (size_t r = 0; r < row->of->repeats; r++)
        sum += (scaled(row, r, rates) - m) * (scaled(row, r, rates) - m);
    return n > 1 ? sqrt(sum / (n - 1)) : NAN;
}

/* ---- cells of a row ---- */

static void put(struct qb_text *out, const struct row *row, double number)
{
    if (row->digits && isfinite(number) && fabs(number) < 1e5)
        qb_text_add(out, "%.*g", row->digits, number);
    else
        qb_csv_number(out, number, !isnan(number));
}

static void put_list(struct qb_text *out, const struct row *row, bool rates)
{
    for (size_t r = 0; r < row->of->repeats; r++) {
        const double number = scaled(row, r, rates);
        qb_text_add(out, "%s", r && !isnan(number) ? " " : "");
        qb_csv_number(out, number, !isnan(number));
    }
}

#define TEXT(name, text)                                                                                               \
    static void name(struct qb_text *out, const struct row *row)                                                       \
    {                                                                                                                  \
        qb_text_add(out, "%s", text);                                                                                  \
    }
#define NUMBER(name, number)                                                                                           \
    static void name(struct qb_text *out, const struct row *row)                                                       \
    {                                                                                                                  \
        put(out, row, number);                                                                                         \
    }
TEXT(put_arm, row->of->arms[row->arm].name)
TEXT(put_program, facts(row)->program)
TEXT(put_build, facts(row)->build)
TEXT(put_cpu, row->of ? qb_cpu()->model : "")
TEXT(put_arithmetic, facts(row)->arithmetic)
TEXT(put_file, row->of->files[row->arm])
TEXT(put_type, facts(row)->model_type)
NUMBER(put_size, facts(row)->model_size)
NUMBER(put_params, facts(row)->model_params)
NUMBER(put_batch, facts(row)->n_batch)
NUMBER(put_ubatch, facts(row)->n_ubatch)
NUMBER(put_threads, facts(row)->n_threads)
TEXT(put_type_k, facts(row)->type_k)
TEXT(put_type_v, facts(row)->type_v)
NUMBER(put_prompt, row->test->pass == QB_PASS_PREFILL ? (double)row->test->tokens : 0)
NUMBER(put_gen, row->test->pass == QB_PASS_DECODE ? (double)row->test->tokens : 0)
NUMBER(put_depth, (double)row->test->depth)
NUMBER(put_sequences, (double)row->test->sequences)
TEXT(put_test, row->test->name)
NUMBER(put_avg_ns, mean(row, false))
NUMBER(put_stddev_ns, deviation(row, false))
NUMBER(put_avg_ts, mean(row, true))
NUMBER(put_stddev_ts, deviation(row, true))
NUMBER(put_median_ts, rate(row).value)
NUMBER(put_limit, median_of(times(row)->limit, row->of->repeats).value)
TEXT(put_limit_unit, row->test->pass == QB_PASS_PREFILL ? "GFLOP/s" : "GB/s")
NUMBER(put_share, share(row).value)
NUMBER(put_share_lo, share(row).lo)
NUMBER(put_share_hi, share(row).hi)
NUMBER(put_peak, row->of->arms[row->arm].peak_rss_bytes)
NUMBER(put_before, facts(row)->rss_before_bytes)
NUMBER(put_others, row->of->others)
NUMBER(put_joules, joules(row).value)

static void put_samples_ns(struct qb_text *out, const struct row *row)
{
    put_list(out, row, false);
}

static void put_samples_ts(struct qb_text *out, const struct row *row)
{
    put_list(out, row, true);
}

enum { IS_TEXT, IS_NUMBER, IS_LIST };
static const struct column {
    const char *name;
    int kind;
    bool page; /* in Markdown, too, which has few */
    void (*put)(struct qb_text *out, const struct row *row);
} columns[] = {{"arm", IS_TEXT, true, put_arm},
               {"program", IS_TEXT, false, put_program},
               {"build", IS_TEXT, false, put_build},
               {"cpu_info", IS_TEXT, false, put_cpu},
               {"arithmetic", IS_TEXT, true, put_arithmetic},
               {"model_filename", IS_TEXT, false, put_file},
               {"model_type", IS_TEXT, false, put_type},
               {"model_size", IS_NUMBER, true, put_size},
               {"model_n_params", IS_NUMBER, false, put_params},
               {"n_batch", IS_NUMBER, false, put_batch},
               {"n_ubatch", IS_NUMBER, false, put_ubatch},
               {"n_threads", IS_NUMBER, true, put_threads},
               {"type_k", IS_TEXT, false, put_type_k},
               {"type_v", IS_TEXT, false, put_type_v},
               {"n_prompt", IS_NUMBER, false, put_prompt},
               {"n_gen", IS_NUMBER, false, put_gen},
               {"n_depth", IS_NUMBER, false, put_depth},
               {"n_sequences", IS_NUMBER, true, put_sequences},
               {"test", IS_TEXT, true, put_test},
               {"avg_ns", IS_NUMBER, false, put_avg_ns},
               {"stddev_ns", IS_NUMBER, false, put_stddev_ns},
               {"avg_ts", IS_NUMBER, true, put_avg_ts},
               {"stddev_ts", IS_NUMBER, true, put_stddev_ts},
               {"samples_ns", IS_LIST, false, put_samples_ns},
               {"samples_ts", IS_LIST, false, put_samples_ts},
               {"median_ts", IS_NUMBER, false, put_median_ts},
               {"limit", IS_NUMBER, false, put_limit},
               {"limit_unit", IS_TEXT, false, put_limit_unit},
               {"share", IS_NUMBER, true, put_share},
               {"share_lo", IS_NUMBER, false, put_share_lo},
               {"share_hi", IS_NUMBER, false, put_share_hi},
               {"peak_rss_bytes", IS_NUMBER, true, put_peak},
               {"rss_before_bytes", IS_NUMBER, false, put_before},
               {"others", IS_NUMBER, false, put_others},
               {"joules_per_token", IS_NUMBER, false, put_joules}};
enum { COLUMNS = sizeof columns / sizeof *columns, COLUMNS_MOST = COLUMNS + 3 * (QB_BENCH_NAMES + 1) + 1 };

/* ---- the listing ---- */

/* The arms that ratios are over: FP32, and each peer. False past the last. */
static bool reference(const struct qb_bench_result *of, size_t i, size_t *arm)
{
    *arm = i == 0 ? QB_BENCH_FP32 : QB_BENCH_FIRST + of->variant_count + i - 1;
    return *arm < of->arm_count;
}

struct listing { /* columns of one output */
    const char *names[COLUMNS_MOST + 1];
    bool numeric[COLUMNS_MOST], lists[COLUMNS_MOST];
    struct qb_text own[COLUMNS_MOST]; /* names made here */
    size_t count;
};

static void name_columns(const struct qb_bench_result *of, bool page, struct listing *l)
{
    static const char *const parts[] = {"ratio", "ratio_lo", "ratio_hi"};
    for (size_t c = 0; c < COLUMNS; c++)
        if (!page || columns[c].page) {
            l->numeric[l->count] = columns[c].kind == IS_NUMBER;
            l->lists[l->count] = columns[c].kind == IS_LIST;
            l->names[l->count++] = columns[c].name;
        }
    for (size_t i = 0, arm; reference(of, i, &arm); i++)
        for (size_t k = 0; k < 3; k++) {
            struct qb_text *name = &l->own[l->count];
            qb_text_add(name, "%s", parts[k]);
            if (i > 0)
                qb_text_add(name, " to %s", of->arms[arm].name);
            l->numeric[l->count] = true;
            l->names[l->count++] = name->failed ? parts[k] : name->data;
        }
    l->names[l->count++] = "failure";
}

static void add_row(const struct row *row, bool page, struct qb_listing *listing)
{
    struct qb_text cells[COLUMNS_MOST] = {0};
    const char *values[COLUMNS_MOST];
    size_t count = 0;
    for (size_t c = 0; c < COLUMNS; c++)
        if (!page || columns[c].page)
            columns[c].put(&cells[count++], row);
    for (size_t i = 0, arm; reference(row->of, i, &arm); i++) {
        const struct median m = ratio_to(row, arm);
        put(&cells[count++], row, m.value);
        put(&cells[count++], row, m.lo);
        put(&cells[count++], row, m.hi);
    }
    qb_text_add(&cells[count++], "%s", row->of->arms[row->arm].failed.message);
    for (size_t c = 0; c < count; c++)
        values[c] = cells[c].data ? cells[c].data : "";
    qb_listing_add(listing, values);
    for (size_t c = 0; c < count; c++)
        qb_text_free(&cells[c]);
}

static void print_listing(const struct qb_bench_result *of, double *x, struct qb_text *out)
{
    const bool page = of->request->output == QB_OUTPUT_MARKDOWN;
    struct listing l = {0};
    name_columns(of, page, &l);
    struct qb_listing listing = {.columns = l.names, .numeric = l.numeric, .lists = l.lists};
    for (size_t t = 0; t < of->test_count; t++)
        for (size_t a = 0; a < of->arm_count; a++)
            add_row(&(struct row){of, &of->tests[t], a, page ? 4 : 0, x}, page, &listing);
    qb_listing_print(&listing, of->request->output, out);
    qb_listing_free(&listing);
    for (size_t c = 0; c < l.count; c++)
        qb_text_free(&l.own[c]);
}

/* ---- the page ---- */

static void put_interval(struct qb_text *out, struct median m)
{
    if (isnan(m.value))
        qb_text_add(out, "-");
    else if (isnan(m.lo))
        qb_text_add(out, "%.3g", m.value);
    else
        qb_text_add(out, "%.3g [%.3g, %.3g]", m.value, m.lo, m.hi);
}

static void put_megabytes(struct qb_text *out, double bytes)
{
    if (isnan(bytes))
        qb_text_add(out, "-");
    else
        qb_text_add(out, "%.1f", bytes / 1e6);
}

/* rows x cols cells, filled by `fill`. */
static void print_table(const struct row *row, size_t rows, size_t cols,
                        void (*fill)(const struct row *row, struct qb_text *cells, size_t cols), struct qb_text *out)
{
    struct qb_error err = {0};
    struct qb_text *cells = qb_alloc(rows * cols, sizeof *cells, "table", &err);
    const char **texts = cells ? qb_alloc(rows * cols, sizeof *texts, "table", &err) : NULL;
    out->failed = out->failed || !texts;
    if (texts) {
        fill(row, cells, cols);
        for (size_t i = 0; i < rows * cols; i++)
            texts[i] = cells[i].data ? cells[i].data : "";
        qb_table(out, texts, rows, cols, qb_columns(STDOUT_FILENO));
        qb_text_add(out, "\n");
    }
    for (size_t i = 0; cells && i < rows * cols; i++)
        qb_text_free(&cells[i]);
    qb_free(texts);
    qb_free(cells);
}

enum { ARM_COLUMNS = 7 };
static void fill_arms(const struct row *row, struct qb_text *cells, size_t cols)
{
    static const char *const heads[ARM_COLUMNS] = {"arm",   "arithmetic",     "weights MB", "a step reads MB",
                                                   "cache", "peak memory MB", "before MB"};
    for (size_t c = 0; c < cols; c++)
        qb_text_add(&cells[c], "%s", heads[c]);
    for (size_t a = 0; a < row->of->arm_count; a++) {
        const struct qb_bench_arm *arm = &row->of->arms[a];
        struct qb_text *line = cells + (a + 1) * cols;
        qb_text_add(&line[0], "%s", arm->name);
        qb_text_add(&line[1], "%s", *arm->facts.arithmetic ? arm->facts.arithmetic : arm->facts.program);
        put_megabytes(&line[2], arm->facts.model_size);
        put_megabytes(&line[3], arm->facts.step_bytes);
        qb_text_add(&line[4], "%s%s%s", arm->facts.type_k, *arm->facts.type_v ? "/" : "", arm->facts.type_v);
        put_megabytes(&line[5], arm->peak_rss_bytes);
        put_megabytes(&line[6], arm->facts.rss_before_bytes);
    }
}

static void fill_test(const struct row *row, struct qb_text *cells, size_t cols)
{
    const struct qb_bench_result *of = row->of;
    const bool energy = !of->no_energy;
    qb_text_add(&cells[0], "%s", row->test->name);
    if (row->test->sequences > 1)
        qb_text_add(&cells[0], ", %zu sequences", row->test->sequences);
    qb_text_add(&cells[1], "tokens/s");
    qb_text_add(&cells[2], "share of %s", row->test->pass == QB_PASS_PREFILL ? "FLOP limit" : "byte limit");
    for (size_t i = 0, arm; reference(of, i, &arm); i++)
        qb_text_add(&cells[3 + i], "over %s", of->arms[arm].name);
    qb_text_add(&cells[cols - 1], "%s", energy ? "joules a token" : "");
    for (size_t a = 0; a < of->arm_count; a++) {
        const struct row at = {of, row->test, a, 4, row->x};
        struct qb_text *line = cells + (a + 1) * cols;
        qb_text_add(&line[0], "%s", of->arms[a].name);
        if (isnan(rate(&at).value)) {
            qb_text_add(&line[1], "failed");
            continue;
        }
        put(&line[1], &at, rate(&at).value);
        put_interval(&line[2], (struct median){share(&at).value, NAN, NAN});
        for (size_t i = 0, arm; reference(of, i, &arm); i++)
            put_interval(&line[3 + i], ratio_to(&at, arm));
        if (energy)
            put(&line[cols - 1], &at, joules(&at).value);
    }
}

/* ---- what must be known to read it ---- */

static void note_self(const struct qb_bench_result *of, double *x, struct qb_text *out)
{
    for (size_t t = 0; t < of->test_count; t++) {
        const struct median m = ratio_to(&(struct row){of, &of->tests[t], QB_BENCH_SELF, 0, x}, QB_BENCH_FP32);
        if (m.lo > 1 || m.hi < 1)
            qb_text_add(out,
                        "biased: %s: FP32 over FP32 is %.3f [%.3f, %.3f]: something else disturbed the turns; "
                        "ratios near 1 say nothing here\n",
                        of->tests[t].name, m.value, m.lo, m.hi);
        else if (isnan(m.lo) && !isnan(m.value))
            qb_text_add(out, "unchecked: %s: FP32 over FP32 has no interval in %zu repeats (--repeats)\n",
                        of->tests[t].name, of->repeats);
    }
}

/* FP32 over FP32 does not show it: two arms that lose alike are alike. */
static void note_others(const struct qb_bench_result *of, struct qb_text *out)
{
    bool peers = false;
    for (size_t a = 0; a < of->arm_count; a++)
        peers = peers || of->arms[a].peer;
    if (isnan(of->others))
        qb_text_add(out, "whether other processes were at work is not known: there is no /proc/stat\n");
    else
        qb_text_add(out, "other processes took %.0f%% of the processors' time%s\n", 100 * of->others,
                    of->others < 0.05 ? ""
                    : peers           ? ": on a busy machine programs lose differently, and one whose threads wait by "
                                        "spinning, as llama.cpp's do, most: read no ratio to a peer"
                                      : ": absolute rates and shares are of a busy machine");
}

/* Of a peer, once for all that are the same program. */
static void note_build(const struct qb_bench_result *of, size_t arm, struct qb_text *out)
{
    const struct qb_arm_facts *f = &of->arms[arm].facts;
    for (size_t a = 0; a < arm; a++)
        if (strcmp(of->arms[a].facts.build, f->build) == 0)
            return;
    if (of->arms[arm].peer)
        qb_text_add(out, "%s: %s; %g threads, batch %g, ubatch %g\n", f->program, f->build, f->n_threads, f->n_batch,
                    f->n_ubatch);
}

static void add_notes(const struct qb_bench_result *of, double *x, struct qb_text *out)
{
    const struct qb_bench_request *r = of->request;
    const size_t period = qb_turns_period(of->arm_count);
    qb_text_add(out, "%s, %s; %ld threads; %zu repeats, all arms by turns; [lo, hi]: 95%% interval of the median\n",
                qb_cpu()->model, qb_isa_name(qb_cpu()->isa), r->threads, of->repeats);
    if (of->repeats % period)
        qb_text_add(out, "unbalanced: %zu arms stand at each place equally often in multiples of %zu repeats\n",
                    of->arm_count, period);
    note_others(of, out);
    for (size_t a = 0; a < of->arm_count; a++)
        note_build(of, a, out);
    qb_text_add(out, "%s\n",
                of->held
                    ? "what an arm does not encode it holds as FP32 (--hold)"
                    : "not held as FP32 (--hold): every arm, FP32 too, decodes the file's own weights at each use");
    if (of->no_energy)
        qb_text_add(out, "no joules: this machine shows none: %s\n", of->no_energy);
    note_self(of, x, out);
    for (size_t a = 0; a < of->arm_count; a++)
        if (of->arms[a].failed.status)
            qb_text_add(out, "failed: %s: %s\n", of->arms[a].name, of->arms[a].failed.message);
}

static void print_page(const struct qb_bench_result *of, double *x, struct qb_text *out)
{
    size_t references = 0, arm;
    while (reference(of, references, &arm))
        references++;
    qb_text_add(out, "%s\n\n", of->opened->model->origin);
    print_table(&(struct row){of, NULL, 0, 0, x}, of->arm_count + 1, ARM_COLUMNS, fill_arms, out);
    for (size_t t = 0; t < of->test_count; t++)
        print_table(&(struct row){of, &of->tests[t], 0, 0, x}, of->arm_count + 1, 3 + references + !of->no_energy,
                    fill_test, out);
}

void qb_bench_model_print(const struct qb_bench_result *result, struct qb_text *out)
{
    struct qb_error err = {0};
    struct qb_text notes = {0};
    double *x = qb_alloc(result->repeats, sizeof *x, "repeats", &err);
    out->failed = out->failed || !x;
    if (!x)
        return;
    add_notes(result, x, &notes);
    if (result->request->output == QB_OUTPUT_CONSOLE)
        print_page(result, x, out);
    else
        print_listing(result, x, out);
    if (result->request->output == QB_OUTPUT_CONSOLE)
        qb_text_add(out, "%s", notes.data ? notes.data : "");
    else if (result->request->output == QB_OUTPUT_MARKDOWN) {
        qb_text_add(out, "\n");
        qb_lines_markdown(out, &notes);
    } else
        qb_tell_lines(notes.data ? notes.data : "");
    qb_text_free(&notes);
    qb_free(x);
}
