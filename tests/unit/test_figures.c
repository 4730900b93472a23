/* Figures from planted records: the numbers in the .dat files, captions, scripts that gnuplot draws, and the messages
 * when something is missing. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include "base/file.h"
#include "planted_result.h"
#include "reports/figures.h"
#include "scratch.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(figures, .init = begin, .fini = scratch_end);

static void *add(struct qb_cell *cell, const char *name, enum qb_dtype type, int rank, size_t a, size_t b)
{
    struct qb_error err = {0};
    size_t dims[2] = {a, b};
    void *data = qb_record_add(&cell->record, name, type, rank, dims, "1", "planted", &err);
    cr_assert_not_null(data, "%s", err.message);
    return data;
}

static void scalar(struct qb_cell *cell, const char *name, double value)
{
    struct qb_error err = {0};
    cr_assert_eq(qb_record_f64(&cell->record, name, value, "1", "planted", &err), QB_OK);
}

/* P prompts of S steps that match up to `until`, then never. */
static void plant_greedy(struct planted *p, const char *model, const char *variant, size_t prompts, size_t steps,
                         size_t until)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "greedy");
    int32_t *t = add(cell, "tokens", QB_I32, 2, prompts, steps);
    int32_t *r = add(cell, "reference_tokens", QB_I32, 2, prompts, steps);
    for (size_t i = 0; i < prompts * steps; i++) {
        r[i] = (int32_t)(i * 37 % 1009);
        t[i] = i % steps < until ? r[i] : r[i] + 1;
    }
    planted_measure(cell);
}

static void plant_forced(struct planted *p, const char *model, const char *variant, size_t n, double scale)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "teacher-forced");
    double *kl = add(cell, "kl", QB_F64, 1, n, 0);
    uint8_t *top1 = add(cell, "top1", QB_U8, 1, n, 0);
    int32_t *chunk = add(cell, "chunk", QB_I32, 1, n, 0);
    for (size_t i = 0; i < n; i++) {
        kl[i] = scale * (double)(i + 1);
        top1[i] = i % 50 != 0;
        chunk[i] = (int32_t)(i / 50);
    }
    planted_measure(cell);
}

static void plant_depth(struct planted *p, const char *model, const char *variant, size_t layers, double scale)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "depth");
    float *local = add(cell, "local_error", QB_F32, 2, layers, 3);
    float *sum = add(cell, "accumulated_error", QB_F32, 2, layers, 3);
    for (size_t i = 0; i < layers * 3; i++) {
        local[i] = (float)(scale * (1 + 0.1 * (double)(i % 3)));
        sum[i] = local[i] * (float)(1 + i / 3);
    }
}

static void plant_memory(struct planted *p, const char *model, const char *variant, int64_t encoded, int64_t published)
{
    static const char *const roles[] = {"attn.q+attn.k+attn.v", "mlp.up", "embed", "mlp.up+bias"};
    static const char *const stores[] = {"qins8", "qins8", "fp32", "fp32"};
    struct qb_error err = {0};
    struct qb_cell *cell = planted_cell(p, model, variant, "memory");
    cr_assert_eq(qb_record_text(&cell->record, "tensor", roles, 4, "planted", &err), QB_OK);
    cr_assert_eq(qb_record_text(&cell->record, "store", stores, 4, "planted", &err), QB_OK);
    cr_assert_eq(qb_record_text(&cell->record, "role", roles, 4, "planted", &err), QB_OK);
    int64_t *bytes = add(cell, "bytes", QB_I64, 1, 4, 0), *values = add(cell, "values", QB_I64, 1, 4, 0);
    add(cell, "cache_bytes", QB_I64, 1, 4, 0);
    const int64_t sizes[] = {encoded, 2 * encoded, 1 << 22, 1 << 10};
    memcpy(bytes, sizes, sizeof sizes);
    for (int i = 0; i < 4; i++)
        values[i] = 1 << 20;
    scalar(cell, "weight_values", 4 << 20);
    scalar(cell, "fp32_bytes", 16 << 20);
    scalar(cell, "published_bytes", (double)published);
    planted_measure(cell);
}

static void plant_speed(struct planted *p, const char *model, const char *variant, double ratio)
{
    static const char *const names[] = {"prefill_s",       "decode_s",   "reference_prefill_s", "reference_decode_s",
                                        "weight_decode_s", "memcpy_gbs", "sgemm_gflops"};
    struct qb_cell *cell = planted_cell(p, model, variant, "speed");
    for (int k = 0; k < 7; k++) {
        double *x = add(cell, names[k], QB_F64, 1, 5, 0);
        for (int r = 0; r < 5; r++)
            x[r] = (k == 5 ? 12 : k == 6 ? 90 : 0.01 * (k < 2 ? ratio : 1)) * (1 + 0.02 * r);
    }
    scalar(cell, "weight_decode_bytes", 4e7);
    scalar(cell, "prefill_flop", 5e8);
}

static void plant_linearity(struct planted *p, const char *variant, double value_ratio, double code_ratio)
{
    struct qb_cell *cell = planted_cell(p, "kjv-chain", variant, "linearity");
    static const char *const names[] = {"additivity_error",       "homogeneity_error",       "rounding_noise",
                                        "coord_additivity_error", "coord_homogeneity_error", "coord_rounding_noise"};
    for (int k = 0; k < 6; k++) {
        double *x = add(cell, names[k], QB_F64, 1, 40, 0);
        for (int t = 0; t < 40; t++)
            x[t] = 0.01 * (k % 3 == 2 ? 1 : (k < 3 ? value_ratio : code_ratio) * (1 + 0.01 * t));
    }
}

static void plant_roundtrip(struct planted *p, const char *model, const char *variant)
{
    struct qb_cell *cell = planted_cell(p, model, variant, "roundtrip");
    float *value = add(cell, "code_value", QB_F32, 1, 255, 0);
    int64_t *count = add(cell, "code_count", QB_I64, 1, 255, 0);
    for (int i = 0; i < 255; i++) {
        value[i] = (float)(i - 127);
        count[i] = (int64_t)(10000 * exp(-(i - 127.0) * (i - 127.0) / 1800));
    }
}

static const char *const models[] = {"source-transformer", "source-chain", "kjv-transformer", "kjv-chain"};
static const char *const variants[] = {
    "fp16",   "int8-tensor", "int8-channel", "pattern-a",        "legacy-asrun",
    "legacy", "calibrated",  "mine",         "calibrated-asrun", "calibrated-range-kept"};

static void plant_all(struct planted *p)
{
    for (size_t m = 0; m < 4; m++)
        for (size_t v = 0; v < 10; v++) {
            plant_greedy(p, models[m], variants[v], m < 2 ? 1 : 8, 200, m == 0 ? 200 : 5 + 17 * v * (m + 1) % 150);
            plant_forced(p, models[m], variants[v], 400, 1e-13 * pow(10, (double)(m * 3) + 0.5 * (double)v));
            if (v < 7) {
                plant_depth(p, models[m], variants[v], m == 2 ? 40 : 3, 1e-4 * pow(3, (double)v));
                plant_memory(p, models[m], variants[v], (int64_t)1 << (19 + v % 3), 300000);
            }
            if (m % 2 && v < 7)
                plant_speed(p, models[m], variants[v], 1 + 0.1 * (double)(v + m));
            if (v < 4 && m % 2 == 0)
                plant_roundtrip(p, models[m], variants[v]);
        }
    plant_linearity(p, "fp16", 1, 1);
    plant_linearity(p, "int8-tensor", 0.9, 0.9);
    plant_linearity(p, "pattern-a", 1.1, 80);
}

static enum qb_status draw(struct planted *p, const struct qb_figure_options *options, struct qb_text *report,
                           struct qb_error *err)
{
    const char *path = scratch_path("r.h5");
    struct qb_result *result = NULL;
    planted_write(p, path);
    cr_assert_eq(qb_result_open(path, &result, err), QB_OK, "%s", err->message);
    enum qb_status s = qb_figures_write(result, options, NULL, report, err);
    qb_result_close(result);
    planted_free(p);
    return s;
}

static char *read_back(const char *name)
{
    char *text = NULL;
    size_t size;
    struct qb_error err = {0};
    cr_assert_eq(qb_file_read(scratch_path(name), 1 << 24, &text, &size, &err), QB_OK, "%s", err.message);
    return text;
}

static void expect_text(const char *name, const char *wanted)
{
    char *text = read_back(name);
    cr_expect_not_null(strstr(text, wanted), "%s lacks '%s':\n%.600s", name, wanted, text);
    qb_free(text);
}

Test(figures, all_are_drawn)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", getenv("QB_KEEP_FIGURES") ? getenv("QB_KEEP_FIGURES") : scratch_path("out"));
    struct qb_figure_options options = {.folder = folder};
    plant_all(p);
    cr_assert_eq(draw(p, &options, &report, &err), QB_OK, "%s", err.message);
    for (const char *const *name = qb_figure_names(); *name; name++) {
        static const char *const suffixes[] = {"dat", "gp", "txt", "png", "svg", "pdf"};
        for (size_t i = 0; i < 6; i++) {
            char path[PATH_MAX + 64];
            struct stat info;
            snprintf(path, sizeof path, "%s/figures/%s.%s", folder, *name, suffixes[i]);
            cr_expect(stat(path, &info) == 0 && info.st_size > 100, "%s", path);
        }
        cr_expect_not_null(strstr(report.data, *name));
    }
    qb_text_free(&report);
    free(p);
}

Test(figures, numbers_come_from_the_arrays)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    struct qb_figure_options options = {.folder = folder, .formats = "svg"};
    plant_greedy(p, "m", "pattern-a", 2, 40, 10);
    plant_forced(p, "m", "pattern-a", 100, 1e-6);
    plant_depth(p, "m", "pattern-a", 3, 0.01);
    plant_memory(p, "m", "pattern-a", 1 << 20, 429056);
    plant_speed(p, "m", "pattern-a", 1.5);
    cr_assert_eq(draw(p, &options, &report, &err), QB_OK, "%s", err.message);
    expect_text("out/figures/match.dat", "\n10 100\n11 90.9091\n");
    expect_text("out/figures/match.dat", "\n40 25\n");
    expect_text("out/figures/match.txt", "m 2 prompts x 40 steps");
    expect_text("out/figures/kl.dat", "\n5e-05 50\n");
    expect_text("out/figures/depth.dat", "\n3 0.033 0.011\n");
    expect_text("out/figures/memory.dat", "\"Pattern A\" 1 2 4 0 0.000976562 0 0.40918");
    expect_text("out/figures/memory.txt", "0.41, where the buffers hold 7.00");
    expect_text("out/figures/speed.dat", "\n1 1.5 1.5 1.5 1.5 1.5 1.5 ");
    expect_text("out/README.md", "figures/match.svg");
    cr_expect_not_null(strstr(report.data, "linearity    left out: no linearity cell was run"));
    qb_text_free(&report);
    free(p);
}

Test(figures, wrong_requests_are_refused)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    struct qb_figure_options options = {.folder = scratch_path("out"), .only = "mach"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10);
    cr_expect_eq(draw(p, &options, &report, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "figures are controlled, match"));
    err = (struct qb_error){0};
    options = (struct qb_figure_options){.folder = scratch_path("out"), .only = "kl"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10);
    cr_expect_eq(draw(p, &options, &report, &err), QB_ERR_INPUT, "asked for alone, a figure without data is an error");
    err = (struct qb_error){0};
    options = (struct qb_figure_options){.folder = scratch_path("out"), .formats = "png,gif"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10);
    cr_expect_eq(draw(p, &options, &report, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "png,gif"));
    qb_text_free(&report);
    free(p);
}

/* PATH holds a gnuplot of our own making, or none. */
static void with_gnuplot(const char *script, const char *message)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    char folder[PATH_MAX], bin[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    snprintf(bin, sizeof bin, "%s", scratch_path("bin"));
    struct qb_figure_options options = {.folder = folder, .only = "match"};
    mkdir(bin, 0777);
    if (script)
        chmod(scratch_write("bin/gnuplot", script, strlen(script)), 0755);
    setenv("PATH", bin, 1);
    plant_greedy(p, "m", "pattern-a", 1, 20, 10);
    cr_expect_eq(draw(p, &options, &report, &err), QB_ERR_IO);
    cr_expect_not_null(strstr(err.message, message), "'%s'", err.message);
    expect_text("out/figures/match.gp", "match.dat");
    expect_text("out/figures/match.dat", "\n20 50\n");
    qb_text_free(&report);
    free(p);
}

Test(figures, missing_gnuplot_is_named)
{
    with_gnuplot(NULL, "gnuplot-nox");
}

Test(figures, failing_gnuplot_is_quoted)
{
    with_gnuplot("#!/bin/sh\necho 'line 3: undefined variable: widht' >&2\nexit 1\n", "undefined variable: widht");
}

Test(figures, killed_gnuplot_is_told)
{
    with_gnuplot("#!/bin/sh\nkill -9 $$\n", "signal 9");
}

/* A gnuplot that says more than a pipe holds must not hang the report. */
Test(figures, chatty_gnuplot_does_not_block, .timeout = 20)
{
    with_gnuplot("#!/bin/sh\ni=0\nwhile [ $i -lt 5000 ]; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >&2; "
                 "i=$((i+1)); done\nexit 3\n",
                 "exit code 3");
}
