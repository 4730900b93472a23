/* Reports of planted results: every number in every format with its anchor and its source, void values shown as void,
 * hostile texts harmless, and the errors. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include "base/file.h"
#include "planted_result.h"
#include "reports/report.h"
#include "scratch.h"

enum { ALL = QB_REPORT_HTML | QB_REPORT_MARKDOWN | QB_REPORT_LATEX | QB_REPORT_CSV };

static struct planted *p;
static char folder[PATH_MAX];

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
    p = calloc(1, sizeof *p);
    cr_assert_not_null(p);
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
}
static void end(void)
{
    planted_free(p);
    free(p);
    scratch_end();
}
TestSuite(report, .init = begin, .fini = end);

static struct qb_value *plant(const char *path, double value, double lo, double hi, uint32_t flags, const char *note)
{
    struct qb_value *v = planted_value(p, path, value, 2560);
    v->lo = lo;
    v->hi = hi;
    v->flags = flags | (isnan(lo) ? QB_FLAG_NO_INTERVAL : 0u);
    snprintf(v->note, sizeof v->note, "%s", note);
    return v;
}

static enum qb_status write_report(unsigned formats, const char *figures, struct qb_error *err)
{
    struct qb_result *result = NULL;
    struct qb_text said = {0};
    const char *path = scratch_path("r.h5");
    struct qb_report_options options = {.folder = folder, .formats = formats, .figures = figures};
    planted_write(p, path);
    cr_assert_eq(qb_result_open(path, &result, err), QB_OK, "%s", err->message);
    enum qb_status s = qb_report_write(result, &options, &said, err);
    qb_text_free(&said);
    qb_result_close(result);
    return s;
}

static char *page(const char *name)
{
    char path[PATH_MAX + 64], *text = NULL;
    size_t size;
    struct qb_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert_eq(qb_file_read(path, 1 << 26, &text, &size, &err), QB_OK, "%s", err.message);
    return text;
}

static void has(const char *name, const char *wanted)
{
    char *text = page(name);
    cr_expect_not_null(strstr(text, wanted), "%s lacks %s", name, wanted);
    qb_free(text);
}

static void lacks(const char *name, const char *unwanted)
{
    char *text = page(name);
    const char *at = strstr(text, unwanted);
    cr_expect_null(at, "%s holds %s: %.200s", name, unwanted, at ? at : "");
    qb_free(text);
}

static void write_all(void)
{
    struct qb_error err = {0};
    cr_assert_eq(write_report(ALL, "none", &err), QB_OK, "%s", err.message);
}

Test(report, numbers_have_the_same_anchor_and_source_everywhere)
{
    plant("m/fp32/teacher-forced/kl_mean", 0, 0, 0, 0, "exactly 0");
    plant("m/fp32/teacher-forced/kl_max", 0, NAN, NAN, 0, "exactly 0");
    plant("m/pattern-a/teacher-forced/kl_mean", 4.42517e-4, 4.1444e-4, 4.7060e-4, 0, "cluster t over 20 chunks");
    write_all();
    has("index.html", "<td id=\"m.pattern-a.teacher-forced.kl_mean\"");
    has("index.html", "href=\"#from.m.pattern-a.teacher-forced.kl_mean\">4.43e&minus;4</a>");
    has("index.html", "[4.14e&minus;4, 4.71e&minus;4]");
    has("index.html", "<tr id=\"from.m.pattern-a.teacher-forced.kl_mean\">");
    has("index.html", "datasets below <code>/cells/m/VARIANT/teacher-forced/</code>");
    has("index.html", "<td>cluster t over 20 chunks<td>kl chunk<td>2\n");
    has("report.md", "<a id=\"m.pattern-a.teacher-forced.kl_mean\"></a>4.43e-4 \\[4.14e-4, 4.71e-4\\]");
    has("report.md", "kl\\_mean from `kl chunk`");
    has("tables/m.teacher-forced.csv", "\r\nm.pattern-a.teacher-forced.kl_mean,m,pattern-a,teacher-forced,kl_mean,0."
                                       "000442517,0.00041444,0.0004706,2560,1"
                                       ",,cluster t over 20 chunks,,,,,,,,,/cells/m/pattern-a/teacher-forced/kl "
                                       "/cells/m/pattern-a/teacher-forced/chunk,2\r\n");
    has("tex/m.teacher-forced.tex", "% m.pattern-a.teacher-forced.kl_mean from /cells/m/pattern-a/teacher-forced/kl "
                                    "/cells/m/pattern-a/teacher-forced/chunk, /summary row 2\npattern-a & ");
    has("tex/m.teacher-forced.tex", " & 4.43e-4 & [\\num{4.14e-4}, \\num{4.71e-4}] \\\\");
    has("tex/m.teacher-forced.tex", "\\label{tab:m.all.teacher-forced}");
    has("tex/values.tex", "qb@m.pattern-a.teacher-forced.kl_mean\\endcsname{\\num{4.43e-4}}%");
    has("tex/example.tex", "\\input{m.teacher-forced.tex}");
}

Test(report, void_values_look_void)
{
    plant("m/pattern-a/greedy/match_rate", 5.2, 1, 9, QB_FLAG_DEGENERATE, "loops");
    plant("m/int8/greedy/match_rate", 75.75, 63.6, 87.9, 0, "");
    write_all();
    has("index.html", "id=\"m.pattern-a.greedy.match_rate\" class=\"void\"");
    has("index.html", ">(5.20)</a>");
    has("index.html", "<span class=\"badge degenerate\" title=\"loops\">degenerate</span>");
    has("index.html", "m, greedy: pattern-a");
    has("report.md", "~~5.20 \\[1.00, 9.00\\]~~ *degenerate*");
    has("tex/m.greedy.tex", "{(\\num{5.20})} & [\\num{1.00}, \\num{9.00}]\\textsuperscript{d}");
    has("tex/m.greedy.tex", "\\textsuperscript{d}degenerate: ");
    has("tables/m.greedy.csv", ",degenerate,loops,");
    lacks("index.html", "(75.75)");
}

Test(report, a_column_keeps_three_digits_of_its_least_value)
{
    plant("m/a/teacher-forced/perplexity", 21.5525, NAN, NAN, 0, "");
    plant("m/b/teacher-forced/perplexity", 5123.4, NAN, NAN, 0, "");
    write_all();
    has("index.html", "perplexity\">21.6</a>");
}

Test(report, floors_flags_and_coverage_are_told)
{
    plant("m/fp32-reordered/teacher-forced/kl_mean", 1e-12, 0.9e-12, 1.1e-12, 0, "");
    plant("m/bf16/teacher-forced/kl_mean", 1e-5, 0.9e-5, 1.1e-5, 0, "");
    plant("m/x/teacher-forced/kl_mean", 0.9e-12, 0.8e-12, 1e-12, 0, "");
    plant("m/y/teacher-forced/kl_mean", 0.9e-2, 0.8e-2, 1e-2, QB_FLAG_CONTAMINATED,
          "bootstrap-t over 20 chunks; calibrated on it")
        ->covers = 93.1;
    plant("m/w/teacher-forced/kl_mean", 0.9e-2, 0.8e-2, 1e-2, 0, "such intervals cover 50.0% in simulation");
    struct qb_cell *failed = planted_cell(p, "m", "z", "teacher-forced");
    struct qb_error err = {0};
    failed->state = QB_CELL_FAILED;
    qb_free(failed->message);
    failed->message = qb_strdup("the worker ended by signal 11", &err);
    write_all();
    has("index.html", "<tr class=\"floor\"><th scope=\"row\" class=\"text\" id=\"m.bf16.teacher-forced\">bf16 <span "
                      "class=\"badge floor\" title=\"what BF16 weights alone cost\">floor</span>");
    has("index.html", "costs (1e-12)\">unresolved</span>");
    has("index.html", "title=\"such intervals cover 93.1% in simulation\">covers 93.1%</span>");
    has("index.html", "the worker ended by signal 11 (m/z/teacher-forced)");
    has("index.html", "m, teacher-forced: x (kl_mean)");
    lacks("index.html", "covers 50.0%</span>"); /* a note is for reading, it states no fact */
    has("report.md", "*covers 93.1%*");
    lacks("report.md", "*covers 50.0%*");
    has("report.md", "| *bf16* |");
    has("report.md", "- **coverage**: m, teacher-forced, 95% intervals of kl\\_mean: such intervals cover 93.1%");
    has("tex/m.teacher-forced.tex", "\\textit{bf16}");
    has("tex/m.teacher-forced.tex", "\\textsuperscript{cs}");
    has("tex/m.teacher-forced.tex", "such intervals cover from 93.1\\% in simulation");
    has("tex/m.teacher-forced.tex", "z (failed) & {--}");
    has("tables/m.teacher-forced.csv",
        ",unresolved,not resolved: within what FP32 arithmetic in another order costs (1e-12),,");
}

static const char bad[] = "<script>alert(1)</script> a|b \\input{x} \"q\" 5%_$#&, c";

Test(report, hostile_texts_are_escaped)
{
    struct qb_error err = {0};
    struct qb_value *v = plant("m/v/teacher-forced/kl_mean", 1, 0.5, 1.5, QB_FLAG_DEGENERATE, bad);
    snprintf(v->unit, sizeof v->unit, "%s", "<b>|\\x%");
    snprintf(planted_value(p, "m/v/teacher-forced/x", 1, 1)->metric, 40, "%s", "<i>\"|%\\y");
    struct qb_cell *cell = planted_cell(p, "m", "v", "teacher-forced");
    qb_free(cell->warnings);
    cell->warnings = qb_strdup(bad, &err);
    struct qb_cell *failed = planted_cell(p, "m", "w", "teacher-forced");
    failed->state = QB_CELL_FAILED;
    qb_free(failed->message);
    failed->message = qb_strdup(bad, &err);
    planted_fact(p, "suite_name", bad);
    planted_fact(p, "suite", "name: </pre><script>alert(2)</script>");
    write_all();
    lacks("index.html", "<script>alert");
    lacks("index.html", "<b>|");
    lacks("index.html", "<i>\"");
    has("index.html", "&lt;script&gt;alert(1)&lt;/script&gt; a|b \\input{x} &quot;q&quot; 5%_$#&amp;, c");
    lacks("report.md", "<script>");
    lacks("report.md", " a|b ");
    lacks("tex/example.tex", "\\input{x}");
    lacks("tex/m.teacher-forced.tex", "\\input{x}");
    lacks("tex/m.teacher-forced.tex", "5%_");
    has("tex/example.tex", "\\textbackslash{}input\\{x\\} ''{}q''{} 5\\%\\_\\$\\#\\&, c");
    has("tables/m.teacher-forced.csv", ",\"<script>alert(1)</script> a|b \\input{x} \"\"q\"\" 5%_$#&, c\",");
}

/* Two models whose names and experiments read alike once joined with a dot. */
Test(report, tables_that_read_alike_get_files_of_their_own)
{
    struct stat info;
    char path[PATH_MAX + 64];
    plant("a/v/b.c/x", 1, NAN, NAN, 0, "");
    plant("a.b/v/c/x", 2, NAN, NAN, 0, "");
    write_all();
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/tables/a.b.c%s.csv", folder, i ? "-2" : "");
        cr_expect_eq(stat(path, &info), 0, "%s", path);
    }
    has("index.html", "id=\"a.v.b:2ec.x\"");
    has("index.html", "id=\"a:2eb.v.c.x\"");
}

/* The page must not need, nor be able to load, anything. */
Test(report, page_is_self_contained)
{
    plant("m/v/greedy/match_rate", 50, 40, 60, 0, "");
    write_all();
    has("index.html", "Content-Security-Policy\" content=\"default-src 'none'");
    lacks("index.html", "src=\"");
    lacks("index.html", "http://");
    lacks("index.html", "https://");
    lacks("index.html", "@import");
    lacks("index.html", "<link");
}

/* Four chunks of two positions; both positions of a chunk have its KL. */
static void plant_kl(const char *variant, const double *kl)
{
    struct qb_error err = {0};
    struct qb_cell *cell = planted_cell(p, "m", variant, "teacher-forced");
    const size_t n[1] = {8};
    double *x = qb_record_add(&cell->record, "kl", QB_F64, 1, n, "nat", "planted", &err);
    int32_t *chunk = qb_record_add(&cell->record, "chunk", QB_I32, 1, n, "1", "planted", &err);
    cr_assert(x && chunk);
    for (int i = 0; i < 8; i++) {
        x[i] = kl[i / 2];
        chunk[i] = i / 2;
    }
    planted_measure(cell);
}

/* Differences by chunk: 1, 1.5, 0, 1. Mean 0.875, and p by scipy.stats.ttest_1samp([1, 1.5, 0, 1], 0): 0.0689035089;
 * twice that with Holm beside a second comparison whose p is 1. */
Test(report, comparisons_are_paired_by_cluster)
{
    plant_kl("bf16", (double[]){1, 2, 3, 4});
    plant_kl("a", (double[]){2, 3.5, 3, 5});
    plant_kl("b", (double[]){1, 2, 3, 4});
    write_all();
    char *text = page("tables/against-the-floor.csv");
    const char *a = strstr(text, "m,teacher-forced,kl_mean,a,bf16,0.875,");
    const char *b = strstr(text, "m,teacher-forced,kl_mean,b,bf16,0,0,0,nat,1,1,4,");
    double lo, hi, value, adjusted;
    cr_expect_not_null(b, "%s", text);
    cr_assert_not_null(a, "%s", text);
    cr_assert_eq(sscanf(a, "m,teacher-forced,kl_mean,a,bf16,0.875,%lf,%lf,nat,%lf,%lf,4,", &lo, &hi, &value, &adjusted),
                 4, "%s", a);
    cr_expect(lo < 0.875 && hi > 0.875);
    cr_expect_float_eq(value, 0.0689035089, 1e-6);
    cr_expect_float_eq(adjusted, 2 * 0.0689035089, 2e-6);
    qb_free(text);
    has("index.html", "no difference shown");
    lacks("index.html", "worse than the floor");
}

/* The model's run is degenerate: its differences mean nothing and are not tested. */
Test(report, void_values_are_not_compared)
{
    plant_kl("bf16", (double[]){1, 2, 3, 4});
    plant_kl("a", (double[]){2, 3.5, 3, 5});
    for (size_t i = 0; i < p->count; i++)
        for (size_t k = 0; k < p->cells[i].value_count; k++)
            p->cells[i].values[k].flags |= QB_FLAG_DEGENERATE;
    write_all();
    has("tables/against-the-floor.csv", "m,teacher-forced,kl_mean,a,bf16,,,,nat,,,0,degenerate\r\n");
    has("index.html", "Not compared: m, teacher-forced: degenerate.");
}

/* Two parts and their interaction: by hand 0.5 + 2 - 0.25 = 2.25; shares 0.375 + 1.875 = 2.25. */
static void plant_attribution(void)
{
    plant("m/v/attribute/total_kl", 2.25, 2, 2.5, 0, "cluster t over 20 chunks");
    plant("m/v/attribute/alone_storage", 0.5, 0.4, 0.6, 0, "");
    plant("m/v/attribute/alone_domain", 2, 1.8, 2.2, 0, "");
    plant("m/v/attribute/alone_alpha", 0, 0, 0, 0, "");
    plant("m/v/attribute/interaction_storage_domain", -0.25, -0.3, -0.2, 0, "");
    plant("m/v/attribute/shapley_storage", 0.375, -0.1, 0.85, 0, "");
    plant("m/v/attribute/shapley_domain", 1.875, 1.7, 2.05, 0, "");
    plant("m/v/attribute/shapley_alpha", 0, 0, 0, 0, "");
    plant("m/v/teacher-forced/kl_mean", 2.25, 2, 2.5, 0, "");
}

Test(report, parts_of_the_loss_are_summed_and_said)
{
    plant_attribution();
    plant("m/w/attribute/total_kl", 1, 0.9, 1.1, 0, ""); /* one part: nothing to take apart */
    plant("m/w/attribute/shapley_storage", 1, 0.9, 1.1, 0, "");
    write_all();
    has("report.md", "| sum of effects alone and interactions |  | **2.2500** |");
    has("report.md", "| sum of Shapley shares |  | **2.2500** |");
    has("report.md", "Exactly 0 at every position: alone\\_alpha, shapley\\_alpha.");
    has("report.md", "| measured: teacher-forced run of its own | kl\\_mean | 2.2500 | \\[2.0000, 2.5000\\] |");
    has("index.html", "Shown to make it: products computed on codes 1.8750 nat [1.7000, 2.0500] (83.3% of the total). "
                      "No part is shown to mend it. Not shown either way (the interval holds 0): weights rounded for "
                      "storage 0.3750 nat [-0.1000, 0.8500].");
    has("index.html", "<a class=\"number\" href=\"#from.m.v.attribute.alone_domain\">2.0000</a>");
    has("index.html", "<a class=\"number\" href=\"#from.m.v.teacher-forced.kl_mean\">2.2500</a>");
    has("tex/m.attribution.tex", "\\textit{sum of Shapley shares} & \\num{2.2500} & -- & \\num{100.0}");
    has("tex/example.tex", "\\input{m.attribution.tex}");
    lacks("report.md", "m, w: the loss");
}

/* A part that mends; a part that is left out makes the sum miss the total; no interval, no conclusion. */
Test(report, parts_without_intervals_show_nothing)
{
    plant_attribution();
    plant("m/v/attribute/alone_domain", 3, NAN, NAN, 0, "");
    plant("m/v/attribute/shapley_domain", -1.875, -2.05, -1.7, 0, "");
    write_all();
    has("report.md", "**3.2500**");
    has("index.html", "No part is shown to make it. Shown to mend it: products computed on codes 1.8750 nat "
                      "[1.7000, 2.0500]");
    plant("m/v/attribute/total_kl", 2.25, NAN, NAN, 0, "fewer than 2 chunks");
    plant("m/v/teacher-forced/kl_mean", 2.25, NAN, NAN, QB_FLAG_DEGENERATE, "loops");
    write_all();
    has("index.html", "The loss is void (degenerate), and so are its parts. Without intervals no part is shown");
    has("index.html", ">(2.2500)</a>");
    lacks("index.html", "Shown to");
}

Test(report, nothing_that_was_run_is_told)
{
    write_all();
    has("index.html", "0 cells (model, variant, experiment) measured");
    has("index.html", "No value is flagged and no cell failed.");
    has("tex/example.tex", "\\end{document}");
}

/* Wherever memory runs out, the report ends with an error or is whole; nothing is leaked or read after it was freed. */
Test(report, memory_that_runs_out_is_an_error, .timeout = 600)
{
    struct qb_error err = {0};
    static const char *const files[] = {"index.html",
                                        "report.md",
                                        "tables/m.teacher-forced.csv",
                                        "tables/against-the-floor.csv",
                                        "tex/m.teacher-forced.tex",
                                        "tex/example.tex"};
    char *whole[6];
    size_t failed = 0;
    plant_kl("bf16", (double[]){1, 2, 3, 4});
    plant_kl("a", (double[]){2, 3.5, 3, 5});
    write_all();
    for (size_t i = 0; i < 6; i++)
        whole[i] = page(files[i]);
    for (size_t n = 1; n < 4000; n += n < 60 ? 1 : 23) {
        struct qb_result *result = NULL;
        struct qb_text said = {0};
        struct qb_report_options options = {.folder = folder, .formats = ALL, .figures = "none"};
        err = (struct qb_error){0};
        cr_assert_eq(qb_result_open(scratch_path("r.h5"), &result, &err), QB_OK, "%s", err.message);
        size_t live = qb_mem_stats().live_bytes;
        qb_mem_fail_at(n);
        bool fine = !qb_report_write(result, &options, &said, &err);
        qb_mem_fail_at(0);
        failed += !fine;
        for (size_t i = 0; i < 6 && fine; i++) {
            char *text = page(files[i]);
            cr_expect_str_eq(text, whole[i], "allocation %zu: %s lacks something", n, files[i]);
            qb_free(text);
        }
        qb_text_free(&said);
        cr_expect_eq(qb_mem_stats().live_bytes, live, "allocation %zu: %zu bytes were left", n,
                     qb_mem_stats().live_bytes - live);
        qb_result_close(result);
    }
    cr_expect_gt(failed, 50);
    for (size_t i = 0; i < 6; i++)
        qb_free(whole[i]);
}

Test(report, ledger_of_another_suite_is_left_out)
{
    plant("m/v/greedy/match_rate", 50, 40, 60, 0, "");
    write_all();
    lacks("index.html", "id=\"ledger\"");
    lacks("report.md", "Claims ledger");
}

Test(report, missing_gnuplot_leaves_the_pages)
{
    struct qb_error err = {0};
    plant("kjv-transformer/pattern-a/teacher-forced/kl_mean", 1, 0.5, 1.5, 0, "");
    struct qb_cell *cell = planted_cell(p, "kjv-transformer", "pattern-a", "greedy");
    const size_t dims[2] = {2, 20};
    cr_assert_not_null(qb_record_add(&cell->record, "tokens", QB_I32, 2, dims, "1", "planted", &err));
    cr_assert_not_null(qb_record_add(&cell->record, "reference_tokens", QB_I32, 2, dims, "1", "planted", &err));
    planted_measure(cell);
    setenv("PATH", "/nonexistent", 1);
    cr_expect_eq(write_report(ALL, NULL, &err), QB_ERR_IO);
    cr_expect_not_null(strstr(err.message, "gnuplot is not installed"), "%s", err.message);
    has("index.html", "Not all figures were drawn: gnuplot is not installed");
    has("report.md", "Not all figures were drawn: gnuplot is not installed");
}

Test(report, wrong_requests_are_refused)
{
    static const char *const lists[] = {"", "html,", "html,pdf", "md,md", "HTML", ",html"};
    unsigned formats;
    struct qb_error err = {0};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        cr_expect_eq(qb_report_parse_formats("--format", lists[i], &formats, &err), QB_ERR_INPUT, "'%s'", lists[i]);
    cr_expect_eq(qb_report_parse_formats("--format", "csv,html", &formats, &err), QB_OK);
    cr_expect_eq(formats, QB_REPORT_CSV | QB_REPORT_HTML);
    plant("m/v/greedy/match_rate", 50, 40, 60, 0, "");
    err = (struct qb_error){0};
    cr_expect_eq(write_report(ALL, "png,gif", &err), QB_ERR_INPUT);
    err = (struct qb_error){0};
    scratch_write("out-is-a-file", "x", 1);
    snprintf(folder, sizeof folder, "%s", scratch_path("out-is-a-file"));
    cr_expect_eq(write_report(ALL, "none", &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "out-is-a-file"), "%s", err.message);
}
