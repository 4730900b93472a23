/* Figures from planted records: that all are drawn, requests that cannot be met, and gnuplot missing or failing. */
#include <criterion/criterion.h>
#include <sys/stat.h>
#include "figure_plants.h"
#include "reports/figure.h"

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(figures, .init = begin, .fini = scratch_end);

Test(figures, all_are_drawn, .timeout = 600)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    struct qb_figure_list list = {0};
    char folder[PATH_MAX];
    size_t at = 0;
    snprintf(folder, sizeof folder, "%s", getenv("QB_KEEP_FIGURES") ? getenv("QB_KEEP_FIGURES") : scratch_path("out"));
    struct qb_figure_options options = {.folder = folder, .formats = "png,svg,pdf,tex"};
    plant_all(p);
    cr_assert_eq(draw_figures(p, &options, &list, &report, &err), QB_OK, "%s", err.message);
    for (const char *const *name = qb_figure_names(); *name; name++, at++) {
        static const char *const suffixes[] = {".dat", ".gp", ".txt", ".png", ".svg", ".pdf", ".tex", "-tex.pdf"};
        for (size_t i = 0; i < 8; i++) {
            char path[PATH_MAX + 64];
            struct stat info;
            snprintf(path, sizeof path, "%s/figures/%s%s", folder, *name, suffixes[i]);
            cr_expect(stat(path, &info) == 0 && info.st_size > 100, "%s", path);
        }
        cr_expect_not_null(strstr(report.data, *name));
        cr_assert_lt(at, list.count, "%s", report.data);
        cr_expect_str_eq(list.items[at].name, *name);
        cr_expect_gt(strlen(list.items[at].caption), 100);
        cr_expect(list.items[at].width == 7 || list.items[at].width == 3.4);
    }
    cr_expect_eq(list.count, at);
    cr_expect_eq(list.left_out_count, 0);
    qb_figure_list_free(&list);
    cr_expect_null(list.items);
    qb_text_free(&report);
    free(p);
}

/* No two of a figure's variants look alike, whatever their names hash to; a built-in keeps its own look. */
Test(figures, every_variant_of_a_figure_has_a_look_of_its_own)
{
    char names[26][8];
    const char *variants[26];
    unsigned types[26];
    for (int i = 0; i < 24; i++)
        snprintf(names[i], sizeof names[i], "q%d_k", i);
    for (int i = 0; i < 26; i++)
        variants[i] = i < 24 ? names[i] : i == 24 ? "fp32" : "pattern-a";
    qb_figure_linetypes(variants, 26, types);
    for (int i = 0; i < 26; i++)
        for (int k = 0; k < i; k++)
            cr_expect_neq(types[i], types[k], "%s and %s", variants[i], variants[k]);
    cr_expect_eq(types[24], 1);
    qb_figure_linetypes((const char *const[]){"pattern-a-row", "q6_k"}, 2, types);
    cr_expect_neq(types[0], types[1], "the two that had one look of eight");
}

/* What was left out is listed with its reason; a list that is not asked for is no fault. */
Test(figures, left_out_ones_are_listed)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    struct qb_figure_list list = {0};
    struct qb_figure_options options = {.folder = scratch_path("out"), .formats = "svg"};
    plant_greedy(p, "m", "pattern-a", 2, 20, 10, 0);
    cr_assert_eq(draw_figures(p, &options, &list, &report, &err), QB_OK, "%s", err.message);
    cr_expect_eq(list.count, 2, "%s", report.data); /* survival and match */
    bool found = false;
    for (size_t i = 0; i < list.left_out_count; i++)
        found = found || (!strcmp(list.left_out[i].name, "memory") && strstr(list.left_out[i].why, "no memory cell"));
    cr_expect(found);
    qb_figure_list_free(&list);
    qb_text_free(&report);
    free(p);
}

Test(figures, wrong_requests_are_refused)
{
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    struct qb_figure_options options = {.folder = scratch_path("out"), .only = "mach"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10, 0);
    cr_expect_eq(draw_figures(p, &options, NULL, &report, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "there are controlled, bits"));
    err = (struct qb_error){0};
    options = (struct qb_figure_options){.folder = scratch_path("out"), .only = "kl"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10, 0);
    cr_expect_eq(draw_figures(p, &options, NULL, &report, &err), QB_ERR_INPUT,
                 "asked for alone, a figure without data is an error");
    err = (struct qb_error){0};
    options = (struct qb_figure_options){.folder = scratch_path("out"), .formats = "png,gif"};
    plant_greedy(p, "m", "pattern-a", 1, 20, 10, 0);
    cr_expect_eq(draw_figures(p, &options, NULL, &report, &err), QB_ERR_INPUT);
    cr_expect_not_null(strstr(err.message, "--figures: 'gif'"), "%s", err.message);
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
    plant_greedy(p, "m", "pattern-a", 1, 20, 10, 0);
    cr_expect_eq(draw_figures(p, &options, NULL, &report, &err), QB_ERR_IO);
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

/* gnuplot ends with 0 on a full disk. Each picture in turn lacks its end, the others are whole. */
Test(figures, half_a_picture_is_told)
{
#define PNG "printf '\\211PNG\\0\\0\\0\\0IEND\\256B`\\202' >match.png\n"
#define SVG "echo '<svg></svg>' >match.svg\n"
    with_gnuplot("#!/bin/sh\nprintf '\\211PNG\\0\\0\\0\\0IEND' >match.png\n",
                 "figures/match.png: gnuplot did not write all of it");
    with_gnuplot("#!/bin/sh\n" PNG ">match.svg\n", "figures/match.svg: gnuplot did not write all of it");
    with_gnuplot("#!/bin/sh\n" PNG "echo '<svg></sv' >match.svg\n",
                 "figures/match.svg: gnuplot did not write all of it");
    with_gnuplot("#!/bin/sh\n" PNG SVG "printf '%%PDF-1.5\\nstartxref\\n9\\n' >match.pdf\n",
                 "figures/match.pdf: gnuplot did not write all of it");
    with_gnuplot("#!/bin/sh\n" PNG SVG, "figures/match.pdf: gnuplot did not write all of it");
}

/* A gnuplot that says more than a pipe holds must not hang the report. */
Test(figures, chatty_gnuplot_does_not_block, .timeout = 600)
{
    with_gnuplot("#!/bin/sh\ni=0\nwhile [ $i -lt 5000 ]; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa >&2; "
                 "i=$((i+1)); done\nexit 3\n",
                 "exit code 3");
}
