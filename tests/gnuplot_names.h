/* Names really plotted: every way a figure has for a text, one gnuplot for all, and the texts read back from its SVG.
 */
#ifndef QB_TEST_GNUPLOT_NAMES_H
#define QB_TEST_GNUPLOT_NAMES_H

#include <criterion/criterion.h>
#include "base/file.h"
#include "base/mem.h"
#include "reports/figure.h"
#include "reports/report_files.h"
#include "unit/scratch.h"

enum { NAME_MAX_BYTES = 200, NAMES_A_PLOT = 20 };

/* What gnuplot, its `eval`, a format of tics, SVG, TeX or a terminal would act on, and what is in names anyway. */
static const char *const name_pieces[] = {"'",
                                          "\"",
                                          "\\",
                                          "`",
                                          "{",
                                          "}",
                                          "@",
                                          "^",
                                          "_",
                                          "&",
                                          "%",
                                          "#",
                                          "$",
                                          "~",
                                          "<",
                                          ">",
                                          "|",
                                          "!",
                                          "(",
                                          ")",
                                          "[",
                                          "]",
                                          "*",
                                          "+",
                                          ",",
                                          "-",
                                          ".",
                                          "/",
                                          ":",
                                          ";",
                                          "=",
                                          "?",
                                          " ",
                                          "a",
                                          "B",
                                          "7",
                                          "''",
                                          "\"\"",
                                          "'.\"'\".'",
                                          "\\'",
                                          "%s",
                                          "%%",
                                          "%g",
                                          "\\n",
                                          "\\\\",
                                          "`date`",
                                          "`touch pwned`",
                                          "@x",
                                          "{/Symbol a}",
                                          "&{x}",
                                          "$x$",
                                          "\\input{/etc/passwd}",
                                          "^^M",
                                          "&amp;",
                                          "&#60;",
                                          "<tspan>",
                                          "</text>",
                                          "]]>",
                                          "<!--",
                                          "\n",
                                          "\t",
                                          "\r\n",
                                          "\x1b[31m",
                                          "\x7f",
                                          "\x01",
                                          "\xff",
                                          "\xc3",
                                          "\xc3\xa9",
                                          "e\xcc\x81",
                                          "\xe5\xad\x97",
                                          "\xe2\x82\xac",
                                          "\xd7\x90",
                                          "\xd8\xb9",
                                          "\xe2\x80\xae",
                                          "\xe2\x81\xa6",
                                          "\xe2\x80\x8b",
                                          "\xf0\x9f\x99\x82",
                                          "\xc2\x9b",
                                          "\xed\xa0\x80",
                                          "\xe2\x80\xa6",
                                          "model.layers.0.weight",
                                          "/* x */",
                                          "# y",
                                          "-- z"};
enum { NAME_PIECES = sizeof name_pieces / sizeof *name_pieces };

struct plotted { /* what is due and what was found, as sorted texts */
    char *texts[40000];
    size_t count;
};

static inline void plotted_add(struct plotted *p, const char *text, size_t size)
{
    cr_assert_lt(p->count, sizeof p->texts / sizeof *p->texts);
    if (size) /* of an empty text there is nothing to see */
        p->texts[p->count++] = strndup(text, size);
}

static inline int plotted_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Name `n` of a seed: the pieces one by one, at the start and behind a letter, then random sequences of them, of which
 * the last is 10 kB; shortened as figures do. */
static inline void make_name(struct qb_figure *figure, unsigned *seed, size_t n, char name[NAME_MAX_BYTES])
{
    struct qb_text text = {0};
    char shortened[QB_FIGURE_NAME], clean[4 * NAME_MAX_BYTES];
    size_t pieces = n < 2 * NAME_PIECES ? 1 : n % 97 == 0 ? 3000 : n % 31 == 0 ? 0 : 1 + n % 12;
    qb_text_add(&text, n < 2 * NAME_PIECES && n % 2 ? "x" : "");
    for (size_t i = 0; i < pieces; i++) {
        *seed = *seed * 1664525u + 1013904223u;
        qb_text_add(&text, "%s", name_pieces[n < 2 * NAME_PIECES ? n / 2 : (*seed >> 8) % NAME_PIECES]);
    }
    qb_figure_short(figure, text.data, 60, shortened);
    qb_clean_into(clean, sizeof clean, shortened, strlen(shortened)); /* as every name of a result file is */
    snprintf(name, NAME_MAX_BYTES, "%.*s", QB_UPTO(NAME_MAX_BYTES - 1, clean));
    qb_text_free(&text);
}

/* A plot of names [from, to): as entries of the key, the first also as the axis' name; in figures without enhanced text
 * (in the others there are names of models and variants alone) as tics and labels, the first also as title. */
static inline void add_plot(struct qb_text *script, size_t from, size_t to, bool enhanced)
{
    qb_text_add(script,
                "reset; set termoption %s; unset xtics; unset ytics; unset key\n"
                "set lmargin at screen 0.45; set rmargin at screen 0.9; set tmargin at screen 0.9\n"
                "set xrange [0:1]; set yrange [%zu:0]; eval y_name(0, 1, 1, 0.1, names[%zu])\n",
                enhanced ? "enhanced" : "noenhanced", to - from + 1, from + 1);
    if (!enhanced)
        qb_text_add(script,
                    "set title tx(names[%zu])\n"
                    "eval row_tics\ndo for [n=1:%zu] { set ytics add (row_name(names[%zu+n]) n) }\n"
                    "do for [n=1:%zu] { set label 100+n tx(names[%zu+n]) at 0.5, n }\n",
                    from + 1, to - from, from, to - from, from);
    qb_text_add(script, "plot -1 notitle\neval key_panel(%zu)\n", to - from);
    qb_text_add(script, "plot -1 notitle, for [n=%zu:%zu] keyentry with points title tx(names[n])\n", from + 1, to);
}

static inline void write_plots(const struct qb_figure *figure, size_t count, const char *format)
{
    struct qb_text script = {0}, style = {0};
    struct qb_error err = {0};
    qb_text_add(&script, "name = 'names'\nformat = '%s'\nwidth = 14; height = 14\n%sload 'style.gp'\n", format,
                figure->variables.data);
    qb_text_add(&script, "set multiplot layout 1,1\n");
    for (size_t from = 0; from < count; from += NAMES_A_PLOT)
        for (int enhanced = 0; enhanced < 2; enhanced++)
            add_plot(&script, from, from + NAMES_A_PLOT < count ? from + NAMES_A_PLOT : count, enhanced);
    qb_text_add(&script, "unset multiplot\nunset output\n");
    cr_assert_eq(qb_report_template("figures/style.gp", &style, &err), QB_OK, "%s", err.message);
    scratch_write("style.gp", style.data, style.size);
    scratch_write("names.gp", script.data, script.size);
    qb_text_free(&style);
    qb_text_free(&script);
}

/* Runs it: exit code 0, and not a word. */
static inline void run_gnuplot(void)
{
    char said[2000];
    struct qb_error err = {0};
    int code = qb_tool_run(scratch_folder, (const char *const[]){"gnuplot", "names.gp", NULL}, said, sizeof said, &err);
    cr_assert_eq(code, 0, "gnuplot ended with %d: %s %s", code, said, err.message);
    cr_expect_str_eq(said, "");
    cr_expect_neq(access(scratch_path("pwned"), F_OK), 0, "a name ran a command");
}

/* The text between two tags, decoded in place. */
static inline void decode_entities(char *text)
{
    static const char *const entities[][2] = {{"&lt;", "<"},    {"&gt;", ">"},   {"&amp;", "&"},
                                              {"&quot;", "\""}, {"&apos;", "'"}, {"&#39;", "'"}};
    char *out = text;
    while (*text) {
        size_t e = 0;
        while (e < 6 && strncmp(text, entities[e][0], strlen(entities[e][0])) != 0)
            e++;
        *out++ = e < 6 ? *entities[e][1] : *text;
        text += e < 6 ? strlen(entities[e][0]) : 1;
    }
    *out = '\0';
}

/* The texts of an SVG: what stands in <text>, without the tags in it. */
static inline void read_svg(char *svg, struct plotted *found)
{
    for (char *at = svg; (at = strstr(at, "<text")) != NULL;) {
        char *end = strstr(at, "</text>"), *out = at, *begin = at;
        cr_assert_not_null(end);
        for (bool tag = false; at < end; at++) {
            tag = tag || *at == '<';
            if (!tag)
                *out++ = *at;
            tag = tag && *at != '>';
        }
        at = end + 1;
        *out = '\0';
        decode_entities(begin);
        plotted_add(found, begin, strlen(begin));
    }
}

/* What is due of a name (reports/figures/style.gp says why): in SVG "]]>" with a wide sign; as a tic, where it is over
 * 12 letters long, each % likewise. */
static inline void add_due(struct plotted *due, const char *name, bool tic)
{
    struct qb_text text = {0};
    size_t letters = 0;
    for (const char *c = name; *c; c++)
        letters += ((unsigned char)*c & 0xC0) != 0x80;
    for (const char *c = name; *c; c++)
        if (tic && *c == '%' && letters > 12)
            qb_text_add(&text, "\xef\xbc\x85");
        else if (*c == '>' && c - name >= 2 && strncmp(c - 2, "]]", 2) == 0)
            qb_text_add(&text, "\xef\xbc\x9e");
        else
            qb_text_bytes(&text, c, 1);
    plotted_add(due, text.data, text.size);
    qb_text_free(&text);
}

static inline void compare_plotted(struct plotted *due, struct plotted *found)
{
    qsort(due->texts, due->count, sizeof *due->texts, plotted_order);
    qsort(found->texts, found->count, sizeof *found->texts, plotted_order);
    size_t i = 0, k = 0, wrong = 0;
    while ((i < due->count || k < found->count) && wrong < 20) {
        int order = i == due->count ? 1 : k == found->count ? -1 : strcmp(due->texts[i], found->texts[k]);
        cr_expect_eq(order, 0, "%s: [%s]", order < 0 ? "missing" : "nobody's",
                     order < 0 ? due->texts[i] : found->texts[k]);
        wrong += order != 0;
        i += order <= 0;
        k += order >= 0;
    }
    for (i = 0; i < due->count; i++)
        free(due->texts[i]);
    for (k = 0; k < found->count; k++)
        free(found->texts[k]);
}

static inline void name_array(struct qb_figure *figure, unsigned seed, size_t count, struct plotted *due)
{
    char name[NAME_MAX_BYTES];
    qb_figure_array(figure, "names", count);
    for (size_t n = 0; n < count; n++) {
        make_name(figure, &seed, n, name);
        qb_figure_set(figure, "names", n + 1, name);
        for (int i = 0; due && i < 3 + 3 * (n % NAMES_A_PLOT == 0); i++) /* key twice, label; axis twice, title */
            add_due(due, name, false);
        if (due)
            add_due(due, name, true);
    }
}

static inline void figure_end(struct qb_figure *figure)
{
    qb_text_free(&figure->variables);
    qb_text_free(&figure->shortened);
}

/* Plots `count` names of a seed as SVG, which is XML, and compares what is in it with what is due. */
static inline void plot_names(unsigned seed, size_t count)
{
    struct qb_figure figure = {0};
    struct plotted *due = calloc(1, sizeof *due), *found = calloc(1, sizeof *found);
    struct qb_error err = {0};
    char *svg = NULL, said[500];
    size_t size;
    name_array(&figure, seed, count, due);
    write_plots(&figure, count, "svg");
    run_gnuplot();
    cr_expect_eq(qb_tool_run(scratch_folder, (const char *const[]){"xmllint", "--huge", "--noout", "names.svg", NULL},
                             said, sizeof said, &err),
                 0, "%s%s", said, err.message);
    cr_assert_eq(qb_file_read(scratch_path("names.svg"), 1 << 28, &svg, &size, &err), QB_OK, "%s", err.message);
    read_svg(svg, found);
    cr_expect_gt(found->count, 4 * count);
    compare_plotted(due, found);
    qb_free(svg);
    figure_end(&figure);
    free(due);
    free(found);
}

#endif
