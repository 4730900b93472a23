/* No label of a figure is cut by the page's edge and no two lie on one another: the words of each PDF, with the boxes
 * that pdftotext (poppler-utils) gives them. Runs with ordinary names, with long ones, and with a single model. */
#include <criterion/criterion.h>
#include <stdio.h>
#include "figure_plants.h"
#include "reports/figure.h"

enum { WORDS = 4096 };
static const double hair = 0.5; /* points: rounding of boxes, which are higher than the ink */

struct word {
    double x0, y0, x1, y1;
    char text[64];
};

struct page {
    double width, height;
    struct word words[WORDS];
    size_t count;
};

static void read_page(const char *pdf, struct page *page)
{
    char command[PATH_MAX + 64], line[1024];
    memset(page, 0, sizeof *page);
    snprintf(command, sizeof command, "pdftotext -bbox '%s' -", pdf);
    FILE *in = popen(command, "r");
    cr_assert_not_null(in);
    while (fgets(line, sizeof line, in)) {
        struct word w = {0};
        sscanf(line, " <page width=\"%lf\" height=\"%lf\"", &page->width, &page->height);
        if (sscanf(line, " <word xMin=\"%lf\" yMin=\"%lf\" xMax=\"%lf\" yMax=\"%lf\">%63[^<]", &w.x0, &w.y0, &w.x1,
                   &w.y1, w.text) == 5) {
            cr_assert_lt(page->count, WORDS);
            page->words[page->count++] = w;
        }
    }
    cr_assert_eq(pclose(in), 0, "%s failed (is poppler-utils installed?)", command);
    cr_assert(page->width > 0 && page->height > 0, "%s: no page", pdf);
}

static bool outside(const struct page *p, const struct word *w)
{
    return !(w->x0 >= -hair && w->y0 >= -hair && w->x1 <= p->width + hair && w->y1 <= p->height + hair);
}

static bool on_one_another(const struct word *a, const struct word *b)
{
    double x = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), y = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    return !(x <= hair) && !(y <= hair);
}

/* Faults of a page; each is told when `tell`. */
static size_t faults(const struct page *p, const char *name, bool tell)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct word *a = &p->words[i];
        if (outside(p, a)) {
            n++;
            cr_expect(!tell, "%s: '%s' at (%.1f, %.1f) to (%.1f, %.1f) leaves the page of %.0f x %.0f", name, a->text,
                      a->x0, a->y0, a->x1, a->y1, p->width, p->height);
        }
        for (size_t k = i + 1; k < p->count; k++) {
            const struct word *b = &p->words[k];
            if (on_one_another(a, b)) {
                n++;
                cr_expect(!tell, "%s: '%s' at (%.1f, %.1f) and '%s' at (%.1f, %.1f) lie on one another", name, a->text,
                          a->x0, a->y0, b->text, b->x0, b->y0);
            }
        }
    }
    return n;
}

static void begin(void)
{
    scratch_begin();
    setenv("QINSBENCH_DATA", "data", 1); /* tests run in the tree */
}
TestSuite(figures_layout, .init = begin, .fini = scratch_end, .timeout = 600);

static void expect_clean(struct planted *p)
{
    static struct page page;
    struct qb_text report = {0};
    struct qb_error err = {0};
    struct qb_figure_list list = {0};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", getenv("QB_KEEP_FIGURES") ? getenv("QB_KEEP_FIGURES") : scratch_path("out"));
    struct qb_figure_options options = {.folder = folder, .formats = "pdf"};
    cr_assert_eq(draw_figures(p, &options, &list, &report, &err), QB_OK, "%s", err.message);
    cr_expect_gt(list.count, 3);
    for (size_t i = 0; i < list.count; i++) {
        char pdf[PATH_MAX + 64];
        snprintf(pdf, sizeof pdf, "%s/figures/%s.pdf", folder, list.items[i].name);
        read_page(pdf, &page);
        cr_expect_gt(page.count, 15, "%s: %zu words", pdf, page.count);
        cr_expect_float_eq(page.width, 72 * list.items[i].width, 1, "%s", pdf);
        faults(&page, list.items[i].name, true);
    }
    qb_figure_list_free(&list);
    qb_text_free(&report);
    free(p);
}

Test(figures_layout, of_four_models)
{
    struct planted *p = calloc(1, sizeof *p);
    plant_all(p);
    expect_clean(p);
}

/* A model and variants as long as names may be, more of them than are drawn. */
Test(figures_layout, of_long_names)
{
    struct planted *p = calloc(1, sizeof *p);
    char variant[101], model[101];
    for (int m = 0; m < 7; m++)
        for (int v = 0; v < 13; v++) {
            snprintf(variant, sizeof variant,
                     "WWWW-my_format.of-%02d-bits-with-a-scale-for-each-group-of-64-weights-%08d", v, v);
            snprintf(model, sizeof model, "MMMM_%d-a-language-model-of-many-parameters-and-an-even-longer-name-%08d", m,
                     m);
            if (m < 2 || v < 1)
                plant_forced(p, model, variant, 100, pow(10, v - 12.0), v % 2);
            if (m < 2)
                plant_greedy(p, model, variant, 4, 700, (size_t)(20 + 10 * v), 40);
            if (m < 2 && v < 9)
                plant_memory(p, model, variant, (int64_t)1 << (18 + v % 4), 300000);
            if (m < 1)
                plant_speed(p, model, variant, 1 + 0.1 * v);
            if (m < 6 && v < 3)
                plant_depth(p, model, variant, 100, 1e-30 * pow(10, 20 * v));
            if (m < 3 && v < 7)
                plant_attribute(p, model, variant, 70, pow(1000, v - 3));
        }
    expect_clean(p);
}

Test(figures_layout, of_one_model)
{
    struct planted *p = calloc(1, sizeof *p);
    for (size_t v = 0; v < PLANTED_VARIANTS; v++) {
        const char *variant = planted_variants[v];
        plant_forced(p, "kjv-chain", variant, 200, 1e-8 * pow(4, (double)v), v % 2);
        plant_greedy(p, "kjv-chain", variant, 6, 64, 10 + 4 * v, 3);
        plant_depth(p, "kjv-chain", variant, 4, 0.001 * (double)(v + 1));
        plant_memory(p, "kjv-chain", variant, (int64_t)1 << (18 + v % 4), 300000);
        plant_speed(p, "kjv-chain", variant, 1 + 0.1 * (double)v);
        plant_roundtrip(p, "kjv-chain", variant);
        if (v > 4)
            plant_attribute(p, "kjv-chain", variant, 8, 0.01);
    }
    expect_clean(p);
}

static size_t count_of(const struct page *page, const char *text)
{
    size_t n = 0;
    for (size_t i = 0; i < page->count; i++)
        n += strcmp(page->words[i].text, text) == 0;
    return n;
}

/* A curve without points (FP16 that is exact) or a cell that was not run takes no entry of the key away. */
Test(figures_layout, keys_are_whole)
{
    static struct page page;
    struct planted *p = calloc(1, sizeof *p);
    struct qb_text report = {0};
    struct qb_error err = {0};
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", scratch_path("out"));
    struct qb_figure_options options = {.folder = folder, .formats = "pdf"};
    plant_forced(p, "first", "fp16", 100, 0, true);
    plant_forced(p, "first", "pattern-a", 100, 1e-6, true);
    plant_forced(p, "second", "fp16", 100, 1e-7, true);
    plant_forced(p, "second", "bf16", 100, 1e-6, true);
    plant_forced(p, "second", "fp32-reordered", 100, 1e-12, true);
    plant_forced(p, "second", "legacy", 100, 1e-1, true);
    plant_forced(p, "second", "int8-channel", 100, 1e-5, true); /* six: whole columns */
    cr_assert_eq(draw_figures(p, &options, NULL, &report, &err), QB_OK, "%s", err.message);
    read_page(scratch_path("out/figures/kl.pdf"), &page);
    cr_expect_eq(count_of(&page, "floor:"), 3);
    cr_expect_eq(count_of(&page, "Pattern"), 1);
    cr_expect_eq(count_of(&page, "legacy,"), 1);
    cr_expect_eq(count_of(&page, "grey,"), 0, "nothing is void here");
    qb_text_free(&report);
    free(p);
}

/* The check sees what it is for: a label on another, one half outside. */
Test(figures_layout, planted_faults_are_found)
{
    static struct page page;
    static const char *const scripts[] = {
        "set label 'above' at screen 0.3,0.5\nset label 'below' at screen 0.3,0.4\n",
        "set label 'lying' at screen 0.3,0.5\nset label 'on' at screen 0.32,0.5\n",
        "set label 'leaving' at screen 0.97,0.5\n",
        "set label 'high' at screen 0.3,0.998\n",
    };
    for (size_t i = 0; i < 4; i++) {
        char script[1024];
        struct qb_error err = {0};
        struct qb_gnuplot run;
        snprintf(script, sizeof script,
                 "set terminal pdfcairo size 3.4,2 font 'Sans,7'\nset output 'x.pdf'\nunset tics\n%splot x notitle\n"
                 "unset output\n",
                 scripts[i]);
        scratch_write("x.gp", script, strlen(script));
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%s", scratch_path("."));
        cr_assert_eq(qb_gnuplot_start(&run, folder, "x.gp", &err), QB_OK);
        cr_assert_eq(qb_gnuplot_finish(&run, folder, "x.gp", &err), QB_OK, "%s", err.message);
        read_page(scratch_path("x.pdf"), &page);
        cr_expect_eq(faults(&page, "planted", false), i > 0, "script %zu", i);
    }
}
